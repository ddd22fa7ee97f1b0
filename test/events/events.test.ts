import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { campaignEvent } from '../../src/api/schemas/event.js';
import { eventsOf, parseEventId } from '../../src/calls/event.js';
import { cancelContacts } from '../../src/db/contacts.js';
import { deleteOldEvents, readEvents } from '../../src/db/events.js';
import { registerNode } from '../../src/db/nodes.js';
import { noteCalls, releaseAttempts } from '../../src/db/open-attempts.js';
import { transaction } from '../../src/db/pool.js';
import { createRelay } from '../../src/events/relay.js';
import { createLog } from '../../src/log.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
} from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { eventRows, relayAll, wantEvents } from '../support/relay.js';
import { claimInTurn, finishInTurn } from '../support/turns.js';

let db: TestDatabase;
let tenant: TenantFixture;
const node = { name: 'a', ports: 100, callsPerSecond: null, templates: ['direct'] };

beforeAll(async () => {
  db = await createTestDatabase();
});
afterAll(() => db.drop());
beforeEach(async () => {
  await db.pool.query('TRUNCATE tenants, contacts, nodes, pbx_trunks, pace, event_outbox CASCADE');
  await registerNode(db.pool, node);
  tenant = await insertTenantFixture(db.pool);
  await wantEvents(db.pool, tenant.tenantId);
});

const claim = async () => (await claimInTurn(db.pool, node, async () => {})).calls;
const report = (sipStatus: number) => ({
  hangupCause: 17,
  sipStatus,
  dialStatus: null,
  hungUpBy: 'pbx' as const,
  ringSeconds: 1.5,
  talkSeconds: 0,
});
const noNote = { answeredAt: null, heardSeconds: null, key: null, hangup: null };

/** All events of the tenant, as it gets them; each must fit its schema. */
async function told() {
  await relayAll(db.pool);
  const { batches } = await readEvents(db.pool, tenant.tenantId, null, 0);
  const events = batches.flatMap(eventsOf);
  for (const event of events) campaignEvent.parse(event);
  return events;
}
const types = async () => (await told()).map(({ type }) => type);

describe('what is told of a call', () => {
  it('is its start, the answer, what was heard and the end, and what becomes of the contact', async () => {
    const campaign = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1));
    await db.pool.query(`UPDATE contacts SET fields = '{"crm": "C-17"}'`);
    const [call] = await claim();
    await noteCalls(db.pool, 'a', [{ ...noNote, callId: call!.callId, answeredAt: new Date() }]);
    await noteCalls(db.pool, 'a', [{ ...noNote, callId: call!.callId, heardSeconds: 2.5, key: '5' }]);
    await finishInTurn(db.pool, [{ callId: call!.callId, archiveStatus: 'Completed' }]);
    const events = await told();
    expect(events.map(({ type }) => type)).toEqual([
      'contacts.added',
      'attempt.started',
      'attempt.answered',
      'attempt.heard',
      'attempt.ended',
      'contact.ended',
      'campaign.changed',
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ tenant_id: tenant.tenantId, campaign_id: campaign });
    }
    const number = numbersFor('201', 1)[0];
    expect(events[3]!.data).toMatchObject({ number, ordinal: 1, heard_seconds: 2.5, key: '5' });
    expect(events[4]!.data).toMatchObject({ disposition: 'answered', number, key: '5', cause: null });
    expect(events[4]!.data.answered_at).toMatch(/Z$/);
    expect(events[5]!.data).toMatchObject({ state: 'answered', attempts: 1, fields: { crm: 'C-17' } });
    expect(events[6]!.data).toEqual({ name: 'campaign', status: 'completed', reason: null });
  });

  it('is the retry, with its time, when the contact is called again', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('486', 1), { retry: { busy: '10s' } });
    const [call] = await claim();
    await noteCalls(db.pool, 'a', [{ ...noNote, callId: call!.callId, hangup: report(486) }]);
    await finishInTurn(db.pool, [{ callId: call!.callId, archiveStatus: 'Expired' }]);
    const events = await told();
    expect(events.map(({ type }) => type)).toEqual([
      'contacts.added',
      'attempt.started',
      'attempt.ended',
      'contact.retrying',
    ]);
    expect(events[2]!.data).toMatchObject({ disposition: 'busy', sip_status: 486, ring_seconds: 1.5 });
    const { rows } = await db.pool.query('SELECT due_at FROM contacts');
    expect(events[3]!.data).toMatchObject({ attempts: 1, due_at: rows[0].due_at.toISOString() });
  });

  it('is what was heard, when that comes after the end', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1));
    const [call] = await claim();
    await finishInTurn(db.pool, [{ callId: call!.callId, archiveStatus: 'Completed' }]);
    await noteCalls(db.pool, 'a', [{ ...noNote, callId: call!.callId, heardSeconds: 2, key: null }]);
    expect((await types()).at(-1)).toBe('attempt.heard');
  });

  it('is that it could not be placed, and is due as before', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('201', 2));
    const calls = await claim();
    await releaseAttempts(
      db.pool,
      calls.map(({ callId }) => callId),
    );
    const events = (await told()).filter(({ type }) => type === 'attempt.released');
    expect(events.map(({ data }) => data.ordinal)).toEqual([1, 1]);
  });

  it('is that it was not placed because its number is suppressed', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1));
    await db.pool.query('INSERT INTO installation_suppressions VALUES ($1)', numbersFor('201', 1));
    await claim();
    await db.pool.query('DELETE FROM installation_suppressions');
    const events = await told();
    expect(events.map(({ type }) => type)).toContain('contact.ended');
    expect(events.find(({ type }) => type === 'contact.ended')!.data).toMatchObject({ state: 'suppressed' });
  });

  it('is nothing of what was rolled back, and nothing of a change that is none', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('201', 3));
    await transaction(db.pool, async (tx) => {
      await tx.query(`UPDATE contacts SET state = 'answered'`);
      throw new Error('back');
    }).catch(() => {});
    await db.pool.query(`UPDATE contacts SET updated_at = now(), state = state`);
    await db.pool.query(`UPDATE campaigns SET status = status, pending = pending`);
    expect(await types()).toEqual(['contacts.added']);
  });
});

describe('many contacts at once', () => {
  it('are told as their number, when they are added, cancelled or expire', async () => {
    const campaign = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 3000));
    await transaction(db.pool, (tx) => cancelContacts(tx, tenant.tenantId, campaign, 2000));
    await db.pool.query(`UPDATE contacts SET state = 'expired' WHERE state = 'pending'`);
    const events = await told();
    expect(events.map(({ type, data }) => [type, data])).toEqual([
      ['contacts.added', { count: 3000 }],
      ['contacts.cancelled', { count: 2000 }],
      ['contacts.expired', { count: 1000 }],
    ]);
  });

  it('come page by page, none twice and none missing, of one campaign too', async () => {
    const campaign = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1200));
    const other = await insertCampaignFixture(db.pool, tenant, numbersFor('486', 700));
    for (const state of ['busy', 'failed']) {
      for (let i = 0; i < 1900; i += 2) {
        await db.pool.query(
          `UPDATE contacts SET state = $1 WHERE id IN (SELECT id FROM contacts ORDER BY number LIMIT 2 OFFSET $2)`,
          [state, i],
        );
      }
    }
    await relayAll(db.pool);
    const read = async (of: string | null) => {
      const seen: string[] = [];
      for (let position = 0; ; ) {
        const page = await readEvents(db.pool, tenant.tenantId, of, position);
        seen.push(...page.batches.flatMap(eventsOf).map(({ id }) => id));
        position = page.position;
        if (!page.more) return seen;
      }
    };
    const [all, ofOne, ofOther] = [await read(null), await read(campaign), await read(other)];
    expect(all.length).toBe(2 * 1900 + 2);
    expect(new Set([...ofOne, ...ofOther])).toEqual(new Set(all));
    expect(ofOne.length + ofOther.length).toBe(all.length);
  });
});

describe('the relay', () => {
  /** A change in a transaction that stays open. */
  async function openChange(campaign: string) {
    const client = await db.pool.connect();
    await client.query('BEGIN');
    await client.query(`UPDATE contacts SET state = 'failed' WHERE campaign_id = $1`, [campaign]);
    return {
      async end(how: 'COMMIT' | 'ROLLBACK') {
        await client.query(how);
        client.release();
      },
    };
  }

  it('loses and repeats nothing for a reader when an early transaction commits late', async () => {
    const early = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1));
    const late = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 50));
    await relayAll(db.pool);
    // One relay all the while: it must not take the early transaction for settled.
    const relay = createRelay(db.pool, createLog('silent'));
    relay.start();
    const change = await openChange(early);
    const seen: string[] = [];
    let position = 0;
    const readUntil = (count: number) =>
      expect
        .poll(
          async () => {
            const page = await readEvents(db.pool, tenant.tenantId, null, position);
            position = page.position;
            for (const { type, data } of page.batches.flatMap(eventsOf)) {
              seen.push(`${type} ${data.contact_id ?? data.count}`);
            }
            return seen.length;
          },
          { timeout: 10_000, interval: 20 },
        )
        .toBe(count);
    for (let i = 1; i <= 10; i++) {
      await db.pool.query(
        `UPDATE contacts SET state = 'busy' WHERE id IN (
          SELECT id FROM contacts WHERE campaign_id = $1 AND state = 'pending' LIMIT 5)`,
        [late],
      );
      await readUntil(2 + 5 * i);
    }
    await change.end('COMMIT');
    await readUntil(2 + 50 + 1);
    await relay.stop();
    expect(seen.length).toBe(2 + 50 + 1);
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('of which several run gives every event one place, in the order in which things happened to a contact', async () => {
    const campaign = await insertCampaignFixture(db.pool, tenant, numbersFor('486', 30), {
      retry: { busy: '0s*100' },
      maxAttempts: 100,
    });
    const stop = { now: false };
    const relays = [1, 2, 3].map(async () => {
      while (!stop.now) await relayAll(db.pool).catch(() => {});
    });
    for (let i = 0; i < 15; i++) {
      const calls = await claim();
      await Promise.all(
        calls.map(({ callId }) => noteCalls(db.pool, 'a', [{ ...noNote, callId, hangup: report(486) }])),
      );
      await finishInTurn(
        db.pool,
        calls.map(({ callId }) => ({ callId, archiveStatus: 'Expired' as const })),
      );
    }
    stop.now = true;
    await Promise.all(relays);
    await relayAll(db.pool);
    const rows = await eventRows(db.pool, tenant.tenantId);
    expect(new Set(rows.map(({ position }) => position)).size).toBe(rows.length);
    const ended = rows.filter(({ type }) => type === 'attempt.ended').flatMap(({ items }) => items);
    const { rows: attempts } = await db.pool.query('SELECT id FROM attempts WHERE campaign_id = $1', [
      campaign,
    ]);
    expect(ended.length).toBe(15 * 30);
    expect(new Set(ended.map((e) => e.attempt_id))).toEqual(new Set(attempts.map(({ id }) => id)));
    const ofContact = new Map<unknown, string[]>();
    for (const { type, items } of rows) {
      for (const item of items) {
        if (!item.contact_id) continue;
        ofContact.set(item.contact_id, [...(ofContact.get(item.contact_id) ?? []), type]);
      }
    }
    const round = ['attempt.started', 'attempt.ended', 'contact.retrying'];
    for (const list of ofContact.values())
      expect(list).toEqual(Array.from({ length: 15 }, () => round).flat());
  });

  it('drops what is of a tenant that is gone', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1));
    const client = await db.pool.connect();
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO event_outbox (tenant_id, campaign_id, type, items) VALUES ($1, $1, 'contacts.added', '[]')`,
      [tenant.tenantId],
    );
    await db.pool.query('TRUNCATE tenants, contacts CASCADE');
    await client.query('COMMIT');
    client.release();
    await relayAll(db.pool);
    expect((await db.pool.query('SELECT FROM events')).rowCount).toBe(0);
  });
});

describe('events', () => {
  it('are not written for a tenant that nobody listens for and that has no webhook', async () => {
    const quiet = await insertTenantFixture(db.pool);
    const campaign = await insertCampaignFixture(db.pool, quiet, numbersFor('201', 2));
    await db.pool.query(`UPDATE event_listeners SET listened_at = now() - interval '73 hours'`);
    const own = await insertCampaignFixture(db.pool, tenant, numbersFor('201', 2));
    await claim();
    await db.pool.query(`UPDATE contacts SET state = 'failed'`);
    await db.pool.query(`UPDATE campaigns SET status = 'paused'`);
    expect((await db.pool.query('SELECT FROM event_outbox')).rowCount).toBe(0);
    await db.pool.query(
      `INSERT INTO webhooks (tenant_id, id, url, events, sealed_secret, enabled)
        VALUES ($1, $1, 'https://a', '{*}', '', true), ($2, $2, 'https://a', '{*}', '', false)`,
      [quiet.tenantId, tenant.tenantId],
    );
    await db.pool.query(`UPDATE campaigns SET status = 'running'`);
    const { rows } = await db.pool.query('SELECT tenant_id, campaign_id FROM event_outbox');
    expect(rows).toEqual([{ tenant_id: quiet.tenantId, campaign_id: campaign }]);
    expect(own).not.toBe(campaign);
  });

  it('go with their tenant, and after three days', async () => {
    await insertCampaignFixture(db.pool, tenant, numbersFor('201', 1));
    await relayAll(db.pool);
    await db.pool.query(`UPDATE contacts SET state = 'failed'`);
    await relayAll(db.pool);
    await db.pool.query(
      `UPDATE events SET position = position - 3 * 86400 * 1000000::bigint - 1000000 WHERE type = 'contacts.added'`,
    );
    expect(await deleteOldEvents(db.pool, 100)).toBe(1);
    expect(await types()).toEqual(['contact.ended']);
    await db.pool.query(`UPDATE contacts SET state = 'busy'`);
    await db.pool.query('DELETE FROM attempts');
    await db.pool.query('DELETE FROM tenants');
    for (const table of ['events', 'event_outbox', 'event_listeners']) {
      expect((await db.pool.query(`SELECT FROM ${table}`)).rowCount, table).toBe(0);
    }
  });

  it('have ids that say where they are, and nothing else is an id', () => {
    expect(parseEventId('1795312096123456-3')).toEqual({ position: 1795312096123456, index: 3 });
    for (const id of ['', '-', '1', '1-', 'x-1', '1-1-1', '9999999999999999-1', '1-1 ']) {
      expect(parseEventId(id)).toBeNull();
    }
  });
});
