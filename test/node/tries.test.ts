import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Running } from '../../src/main.js';
import { toneWav } from '../../src/messages/tone.js';
import {
  insertCampaignFixture,
  insertTenantFixture,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

const audio = toneWav(2);
const WAIT = { timeout: 20_000, interval: 100 };

describe('a try of a flow', () => {
  let line: SandboxLine;
  let campanile: Running;
  let tenant: TenantFixture;
  let flow: string;
  beforeAll(async () => {
    line = await startSandboxLine();
    campanile = await line.start();
    tenant = await insertTenantFixture(line.database.pool, { audio });
    flow = await saveFlow(tenant);
  }, 60_000);
  afterAll(() => line?.stop());

  const send = (method: string, path: string, body?: unknown, who = tenant.tenantId) =>
    line.send(campanile, who, method, path, body);

  /** Asks for one key, and keeps it. */
  async function saveFlow(of: TenantFixture): Promise<string> {
    const prompt = [{ message: of.messageId }];
    const ask = {
      type: 'menu',
      prompt,
      keys: { 1: 'thanks', 2: 'thanks' },
      save_as: 'reply',
      next: 'thanks',
    };
    const { next, ...menu } = ask;
    const definition = {
      start: 'ask',
      steps: {
        ask: menu,
        thanks: { type: 'branch', value: '{name}', cases: {}, otherwise: 'end' },
        end: { type: 'hangup' },
      },
    };
    const saved = await send('POST', '/v1/flows', { name: next, definition }, of.tenantId);
    expect(saved.status).toBe(201);
    return saved.json.id;
  }

  const begin = (more: object = {}) =>
    send('POST', `/v1/flows/${flow}/try`, {
      number: '+12125550102',
      fields: { name: 'Ada' },
      trunk_id: tenant.trunkId,
      test: true,
      ...more,
    });
  const over = (id: string) =>
    vi.waitFor(async () => {
      const { json } = await send('GET', `/v1/tries/${id}`);
      expect(['pending', 'calling']).not.toContain(json.state);
      return json;
    }, WAIT);

  it('calls the number, and tells step by step what came of it', async () => {
    const { status, json } = await begin();
    expect([status, json.state, json.attempt]).toEqual([201, 'pending', null]);
    const done = await over(json.id);
    expect(done).toMatchObject({
      id: json.id,
      flow_id: flow,
      flow_version: 1,
      number: '+12125550102',
      test: true,
      state: 'answered',
      attempt: { disposition: 'answered', key: '2', test: true, trunk_id: tenant.trunkId },
      answers: { reply: '2' },
    });
    expect(done.steps.map(({ step }: { step: string }) => step)).toEqual(['ask', 'thanks', 'end']);
    expect(line.witness.total).toBe(0);
  });

  it('is real where nothing else was said', async () => {
    const { json } = await begin({ test: false, number: '+12122000203' });
    expect(await over(json.id)).toMatchObject({ test: false, state: 'answered', attempt: { test: false } });
    expect(line.witness.calls().map(({ number }) => number)).toEqual(['+12122000203']);
  });

  it('is no campaign: not listed, not shown, in no report and no event', async () => {
    await send('POST', '/v1/webhooks', { url: 'http://127.0.0.1:9/', events: ['*'] });
    const { json } = await begin();
    const done = await over(json.id);
    for (const path of ['', '/why', '/report', '/contacts', '/attempts'])
      expect((await send('GET', `/v1/campaigns/${json.id}${path}`)).status).toBe(404);
    expect((await send('POST', `/v1/campaigns/${json.id}/cancel`)).status).toBe(404);
    const campaign = await insertCampaignFixture(line.database.pool, tenant, ['+12125550100'], {
      test: true,
    });
    await untilCompleted(line.database.pool, [campaign], 20);
    await vi.waitFor(async () => {
      const { rows } = await line.database.pool.query(
        'SELECT campaign_id, type FROM events ORDER BY position',
      );
      expect(rows).toContainEqual({ campaign_id: campaign, type: 'campaign.changed' });
      expect(rows.map(({ campaign_id }) => campaign_id)).not.toContain(json.id);
    }, WAIT);
    expect((await send('GET', '/v1/campaigns')).json.data.map(({ id }: { id: string }) => id)).toEqual([
      campaign,
    ]);
    const [from, to] = [new Date(Date.now() - 3_600_000), new Date(Date.now() + 60_000)];
    const path = `/v1/report?from=${from.toISOString()}&to=${to.toISOString()}&test=true`;
    expect((await send('GET', path)).json.by_campaign).toMatchObject([{ campaign_id: campaign }]);
    expect(done.state).toBe('answered');
  });

  it('calls nobody whom the tenant may not call', async () => {
    const list = await send('POST', '/v1/suppression-lists', { name: 'No' });
    await send('POST', `/v1/suppression-lists/${list.json.id}/numbers`, ['+12125550103']);
    const { json } = await begin({ number: '+12125550103' });
    expect(await over(json.id)).toMatchObject({ state: 'suppressed', attempt: null });
  });

  it('is refused with what is wrong with it', async () => {
    const errorsOf = async (more: object) => (await begin(more)).json.errors;
    expect(await errorsOf({ number: '12' })).toMatchObject([{ field: '/number' }]);
    expect(await errorsOf({ fields: {} })).toMatchObject([{ field: '/fields/name' }]);
    expect(await errorsOf({ trunk_id: flow })).toMatchObject([{ field: '/trunk_id' }]);
    expect((await begin({ version: 7 })).status).toBe(404);
    const other = await insertTenantFixture(line.database.pool);
    const { json } = await begin();
    expect((await send('GET', `/v1/tries/${json.id}`, undefined, other.tenantId)).status).toBe(404);
    expect(
      (
        await send(
          'POST',
          `/v1/flows/${flow}/try`,
          { number: '+12125550100', trunk_id: other.trunkId },
          other.tenantId,
        )
      ).status,
    ).toBe(404);
  });

  it('ends as expired when nobody could call it in time', async () => {
    await line.database.pool.query('UPDATE tenants SET ports = 0 WHERE id = $1', [tenant.tenantId]);
    const { json } = await begin();
    await line.database.pool.query('UPDATE campaigns SET end_at = now() WHERE id = $1', [json.id]);
    expect(await over(json.id)).toMatchObject({ state: 'expired', attempt: null });
    await line.database.pool.query('UPDATE tenants SET ports = 100 WHERE id = $1', [tenant.tenantId]);
  });

  it('may be made ten times a minute', async () => {
    const busy = await insertTenantFixture(line.database.pool, { audio });
    const own = await saveFlow(busy);
    const body = { number: '+12125550130', fields: { name: 'Ada' }, trunk_id: busy.trunkId, test: true };
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => send('POST', `/v1/flows/${own}/try`, body, busy.tenantId)),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(10);
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.map(({ json }) => json.code)).toEqual(['too_many_tries', 'too_many_tries']);
  });
});
