import { beforeEach, describe, expect, it } from 'vitest';
import { lockCampaign } from '../../src/db/campaigns.js';
import { transaction } from '../../src/db/pool.js';
import { countersOf } from '../support/campaigns.js';
import { addContacts, createCampaign, insertAttempt, numbers } from './fixtures.js';
import { useApi, useNotifications, useTenant } from './use.js';

let id: string;
const api = useApi();
const tenant = useTenant(api);
const notifications = useNotifications(api);
beforeEach(async () => {
  id = await createCampaign(api, tenant);
  await addContacts(api, tenant, id, numbers(4));
  await notifications.take();
});

const act = (verb: string) => api.send('POST', `/v1/campaigns/${id}/${verb}`, { token: tenant.token });
const show = async () => (await api.send('GET', `/v1/campaigns/${id}`, { token: tenant.token })).json;
const setStatus = (status: string) =>
  api.db.pool.query('UPDATE campaigns SET status = $2 WHERE id = $1', [id, status]);

describe('starting a campaign', () => {
  it('makes a draft run, and wakes the schedulers', async () => {
    const reply = await act('start');
    expect(reply.status).toBe(200);
    expect(reply.json).toMatchObject({ status: 'running', started_at: expect.any(String), ended_at: null });
    expect(await show()).toEqual(reply.json);
    expect(await notifications.take()).toEqual(['campanile_due']);
  });

  it('is refused without contacts', async () => {
    id = await createCampaign(api, tenant);
    const reply = await act('start');
    expect(reply.status).toBe(409);
    expect(reply.json.code).toBe('campaign_empty');
    expect((await show()).status).toBe('draft');
  });
});

describe('pausing and resuming a campaign', () => {
  it('keeps the time of the first start, and wakes the schedulers', async () => {
    const started = await act('start');
    expect((await act('pause')).json.status).toBe('paused');
    await notifications.take();
    const resumed = await act('resume');
    expect(resumed.json).toEqual(started.json);
    expect(await notifications.take()).toEqual(['campanile_due']);
  });
});

describe('cancelling a campaign', () => {
  it('cancels the contacts that wait, leaves those that are called, and tells the nodes', async () => {
    await act('start');
    await insertAttempt(api, tenant, id);
    const retrying = await insertAttempt(api, tenant, id);
    await api.db.pool.query(`UPDATE contacts SET state = 'retrying' WHERE id = $1`, [retrying.contactId]);
    await notifications.take();
    const reply = await act('cancel');
    expect(reply.json).toMatchObject({
      status: 'cancelled',
      ended_at: expect.any(String),
      contacts: { total: 4, cancelled: 3, calling: 1, pending: 0, retrying: 0 },
    });
    expect(await notifications.take()).toEqual([`campanile_cancelled ${tenant.id}.${id}`]);
    const { kept, counted } = await countersOf(api.db.pool, id);
    expect(kept).toEqual(counted);
  });

  it('goes on until no contact waits, however many there are, and is finished by asking again', async () => {
    await addContacts(api, tenant, id, numbers(25_000));
    const reply = await act('cancel');
    expect(reply.json.contacts).toMatchObject({ total: 25_000, cancelled: 25_000 });
    // What a process that was killed after the first batch leaves behind.
    await api.db.pool.query(
      `UPDATE contacts SET state = 'pending' WHERE id IN (SELECT id FROM contacts WHERE campaign_id = $1 LIMIT 12000)`,
      [id],
    );
    expect((await act('cancel')).json.contacts).toMatchObject({ cancelled: 25_000, pending: 0 });
    expect((await act('cancel')).status).toBe(409);
    const { kept, counted } = await countersOf(api.db.pool, id);
    expect(kept).toEqual(counted);
  });

  it('leaves the contacts of other campaigns', async () => {
    const other = await createCampaign(api, tenant);
    await addContacts(api, tenant, other, numbers(2));
    await act('cancel');
    expect((await countersOf(api.db.pool, other)).counted).toMatchObject({ pending: 2, cancelled: 0 });
  });

  it('waits for whoever holds the campaign before it touches a contact', async () => {
    let cancelling: Promise<unknown> = Promise.resolve();
    await transaction(api.db.pool, async (tx) => {
      await lockCampaign(tx, tenant.id, id);
      cancelling = act('cancel');
      await waitForLock();
      // Were a contact locked already, this would be a deadlock.
      await tx.query(`UPDATE contacts SET state = 'calling' WHERE campaign_id = $1`, [id]);
    });
    await cancelling;
    expect((await show()).contacts).toMatchObject({ calling: 4, cancelled: 0 });
  });

  it('happens once when it is asked for twice at once', async () => {
    const replies = await Promise.all([act('cancel'), act('cancel'), act('cancel')]);
    expect(replies.map((reply) => reply.status).sort()).toEqual([200, 409, 409]);
    expect(await notifications.take()).toHaveLength(1);
  });
});

describe('a change of status', () => {
  const statuses = ['draft', 'running', 'paused', 'completed', 'cancelled'];
  const allowed: Record<string, string[]> = {
    start: ['draft'],
    pause: ['running'],
    resume: ['paused'],
    cancel: ['draft', 'running', 'paused'],
  };
  const codes: Record<string, string> = {
    start: 'campaign_not_draft',
    pause: 'campaign_not_running',
    resume: 'campaign_not_paused',
    cancel: 'campaign_ended',
  };
  const cases = Object.keys(allowed).flatMap((verb) => statuses.map((status) => ({ verb, status })));

  it.each(cases)('$verb of a campaign that is $status', async ({ verb, status }) => {
    await setStatus(status);
    if (status === 'completed' || status === 'cancelled') {
      await api.db.pool.query(`UPDATE contacts SET state = 'answered' WHERE campaign_id = $1`, [id]);
    }
    const before = await show();
    const reply = await act(verb);
    if (allowed[verb]!.includes(status)) {
      expect(reply.status).toBe(200);
      return;
    }
    expect(reply.status).toBe(409);
    expect(reply.json.code).toBe(codes[verb]);
    expect(reply.json.detail).toContain(`cannot ${verb} a campaign that is ${status}`);
    expect(await show()).toEqual(before);
    expect(await notifications.take()).toEqual([]);
  });
});

/** Resolves when somebody waits for a lock in this database. */
async function waitForLock(): Promise<void> {
  for (;;) {
    const { rows } = await api.db.pool.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if (rows.length > 0) return;
  }
}

describe('a campaign that has ended', () => {
  it('goes into the archive and out of it, and lists show it there', async () => {
    const listed = async (query = '') =>
      (await api.send('GET', `/v1/campaigns?limit=1000${query}`, { token: tenant.token })).json.data
        .map((campaign: { id: string }) => campaign.id)
        .includes(id);
    const refused = await act('archive');
    expect([refused.status, refused.json.code]).toEqual([409, 'campaign_not_ended']);
    await act('cancel');
    const { archived_at } = (await act('archive')).json;
    expect(archived_at).toEqual(expect.any(String));
    expect((await act('archive')).json.archived_at).toBe(archived_at);
    expect([await listed(), await listed('&archived=true')]).toEqual([false, true]);
    expect((await act('unarchive')).json.archived_at).toBeNull();
    expect([await listed(), await listed('&archived=true')]).toEqual([true, false]);
  });

  it('is not changed any more', async () => {
    await act('cancel');
    const reply = await api.send('PATCH', `/v1/campaigns/${id}`, { token: tenant.token, body: { ports: 3 } });
    expect([reply.status, reply.json.code]).toEqual([409, 'campaign_ended']);
  });
});

describe('deleting a campaign', () => {
  const remove = () => api.send('DELETE', `/v1/campaigns/${id}`, { token: tenant.token });
  const rows = async (table: string) =>
    (
      await api.db.pool.query(
        `SELECT FROM ${table} WHERE ${table === 'campaigns' ? 'id' : 'campaign_id'} = $1`,
        [id],
      )
    ).rowCount;

  it('takes all that is of it with it', async () => {
    await insertAttempt(api, tenant, id);
    await api.db.pool.query(
      "UPDATE attempts SET state = 'ended', disposition = 'busy', ended_at = now() WHERE campaign_id = $1",
      [id],
    );
    await act('cancel');
    expect((await remove()).status).toBe(204);
    for (const table of ['campaigns', 'contacts', 'attempts', 'campaign_zones'])
      expect(await rows(table)).toBe(0);
    expect((await remove()).status).toBe(404);
  });

  it('is possible for a draft, not while it runs or pauses, and not while calls are under way', async () => {
    await act('start');
    expect((await remove()).json.code).toBe('campaign_not_ended');
    await act('pause');
    expect((await remove()).json.code).toBe('campaign_not_ended');
    await insertAttempt(api, tenant, id);
    await act('cancel');
    expect([(await remove()).status, (await remove()).json.code]).toEqual([409, 'calls_under_way']);
    expect(await rows('contacts')).toBe(4);
    id = await createCampaign(api, tenant);
    expect((await remove()).status).toBe(204);
  });
});
