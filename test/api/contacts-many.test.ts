import { beforeEach, describe, expect, it } from 'vitest';
import { lockUploads } from '../../src/db/contacts.js';
import type { Tx } from '../../src/db/pool.js';
import { countersOf } from '../support/campaigns.js';
import { createCampaign, numbers } from './fixtures.js';
import { useApi, useTenant } from './use.js';

let id: string;
const api = useApi();
const tenant = useTenant(api, { default_region: 'DE' });
beforeEach(async () => {
  id = await createCampaign(api, tenant);
});

const send = (body: unknown, type?: string) =>
  api.send('POST', `/v1/campaigns/${id}/contacts`, { token: tenant.token, body, ...(type ? { type } : {}) });
const csv = (text: string | Buffer) => send(text, 'text/csv');
async function expectCounters(pending: number): Promise<void> {
  const { kept, counted } = await countersOf(api.db.pool, id);
  expect(kept).toEqual(counted);
  expect(counted.pending).toBe(pending);
}

describe('many contacts', () => {
  it('are taken up to 100,000 in one request', async () => {
    const reply = await csv(`number\n${numbers(100_000).join('\n')}\n`);
    expect(reply.json).toEqual({ added: 100_000, duplicates: 0 });
    await expectCounters(100_000);
  });

  it('leave other requests their turn while they are checked', async () => {
    const body = `number\n${'none\n'.repeat(100_000)}`;
    let turns = 0;
    let done = false;
    const upload = csv(body).finally(() => {
      done = true;
    });
    while (!done) {
      await api.send('GET', '/docs/start.js');
      turns += 1;
    }
    expect((await upload).json.error_count).toBe(100_000);
    expect(turns).toBeGreaterThan(20);
  });

  it('are refused beyond 100,000 in one request', async () => {
    const reply = await csv(`number\n${'+49301100001\n'.repeat(100_001)}`);
    expect(reply.status).toBe(413);
    expect(reply.json.code).toBe('too_many_contacts');
    await expectCounters(0);
  });

  it('are refused beyond 10 MiB, whether the length is told before or not', async () => {
    const body = Buffer.alloc(10 * 1024 * 1024 + 1, ' ');
    expect((await csv(body)).json.code).toBe('body_too_large');
    const chunked = await fetch(`${api.url}/v1/campaigns/${id}/contacts`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${tenant.token}`, 'Content-Type': 'text/csv' },
      body: new Blob([body]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect(await chunked.json()).toMatchObject({ code: 'body_too_large' });
  });

  it('may come in several requests at once that hold the same numbers', async () => {
    const all = numbers(3000).map((number) => ({ number }));
    const replies = await Promise.all([send(all), send(all.toReversed()), send(all), send(all.toReversed())]);
    expect(replies.map((reply) => reply.status)).toEqual([201, 201, 201, 201]);
    expect(replies.reduce((sum, reply) => sum + reply.json.added, 0)).toBe(3000);
    await expectCounters(3000);
  });
});

describe('many uploads at once', () => {
  it('leave connections to others', async () => {
    const holder = await api.db.pool.connect();
    try {
      await holder.query('BEGIN');
      await lockUploads(holder as unknown as Tx, tenant.id, id);
      const uploads = numbers(15).map((number) => send([{ number }]));
      const waiting = async () => {
        const { rows } = await holder.query(
          `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database
            WHERE d.datname = current_database() AND locktype = 'advisory' AND NOT granted`,
        );
        return rows[0].n;
      };
      await expect.poll(waiting).toBe(2);
      expect((await api.send('GET', '/v1/campaigns', { token: tenant.token })).status).toBe(200);
      expect(await waiting()).toBe(2);
      await holder.query('COMMIT');
      expect((await Promise.all(uploads)).map((reply) => reply.status)).toEqual(uploads.map(() => 201));
      await expectCounters(15);
    } finally {
      holder.release(true);
    }
  });
});
