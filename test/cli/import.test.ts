import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { importContacts } from '../../src/cli/import.js';
import { adminToken } from '../api/client.js';
import { createCampaign } from '../api/fixtures.js';
import { useApi, useTenant } from '../api/use.js';
import { usePrinted } from './printed.js';

let campaign: string;
let dir: string;
const printed = usePrinted();
const api = useApi();
const tenant = useTenant(api);
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'campanile-import-'));
});
afterAll(async () => {
  await rm(dir, { recursive: true });
});
beforeEach(async () => {
  campaign = await createCampaign(api, tenant);
  vi.stubEnv('CAMPANILE_URL', api.url);
  vi.stubEnv('CAMPANILE_TOKEN', tenant.token);
});

async function file(name: string, text: string): Promise<string> {
  await writeFile(join(dir, name), text);
  return join(dir, name);
}

describe('campanile import', () => {
  it('uploads a file and tells the counts and where the rejected rows are', async () => {
    const path = await file('list.csv', 'number\n+49301100001\n+49301100001\n12\n');
    expect(await importContacts([path, '--campaign', campaign])).toBe(0);
    expect(printed.text()).toContain('3 rows: 1 added, 1 duplicates, 1 rejected');
    const [url] = /http[^\s']+\/rejected/.exec(printed.text()) ?? [];
    const report = await fetch(url!, { headers: { Authorization: `Bearer ${tenant.token}` } });
    expect(await report.text()).toContain('4,');
  });

  it('takes NDJSON, and an admin who names the tenant', async () => {
    const path = await file('list.ndjson', '{"number": "+49301100001"}\n');
    const args = [path, '--campaign', campaign, '--tenant', tenant.id, '--token', adminToken];
    expect(await importContacts(args)).toBe(0);
    expect(printed.text()).toContain('1 added');
  });

  it('says that the list is to be sent again when the server goes away', async () => {
    const path = await file('long.csv', `number\n${'+49301100001\n'.repeat(200_000)}`);
    const server = createServer((socket) => socket.once('data', () => socket.destroy()));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await expect(importContacts([path, '--campaign', campaign, '--url', url])).rejects.toThrow(
      /connection to the API .* was lost .* send it again/,
    );
    const gone = once(server, 'close');
    server.close();
    await gone;
    await expect(importContacts([path, '--campaign', campaign, '--url', url])).rejects.toThrow(
      /cannot reach the API/,
    );
  });

  it('says where to ask how it ends when it is interrupted while the server stores', async () => {
    const path = await file('held.csv', 'number\n+49301100001\n');
    const holder = await api.db.pool.connect();
    const exit = vi.spyOn(process, 'exit').mockImplementation((() => {}) as never);
    try {
      await holder.query('BEGIN');
      await holder.query(
        `INSERT INTO contacts (tenant_id, id, campaign_id, number) VALUES ($1, gen_random_uuid(), $2, '+49301100001')`,
        [tenant.id, campaign],
      );
      const imported = importContacts([path, '--campaign', campaign]);
      await expect.poll(printed.text).toContain('the server stores it');
      const [interrupt] = process.listeners('SIGINT').slice(-1);
      interrupt!('SIGINT');
      expect(exit).toHaveBeenCalledWith(130);
      expect(printed.text()).toMatch(
        /the server goes on storing it: http\S+\/v1\/imports\/\S+ tells how it ends/,
      );
      await holder.query('ROLLBACK');
      await imported;
    } finally {
      holder.release(true);
    }
  });

  it('says what the API says of a file that will not do', async () => {
    const path = await file('wrong.csv', `phone\n${'+49301100001\n'.repeat(200_000)}`);
    await expect(importContacts([path, '--campaign', campaign])).rejects.toThrow('its columns are `phone`');
  });

  it('ends with 1 when the import fails after all was sent', async () => {
    const path = await file('late.csv', 'number\n+49301100001\n');
    await api.db.pool.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER refuse BEFORE INSERT ON contacts FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    try {
      expect(await importContacts([path, '--campaign', campaign])).toBe(1);
      expect(printed.text()).toContain('nothing was stored');
    } finally {
      await api.db.pool.query('DROP TRIGGER refuse ON contacts');
    }
  });

  it.each([
    ['no file', ['--campaign', 'x'], 'name one file'],
    ['no campaign', ['list.csv'], '--campaign ID'],
    ['a file of another kind', ['list.xlsx', '--campaign', 'x'], '.csv'],
    ['no such file', ['/nowhere.csv', '--campaign', 'x'], 'cannot read /nowhere.csv'],
    ['no API', ['/dev/null', '--campaign', 'x', '--url', 'ftp://x'], 'is not the address of an API'],
  ])('is refused with %s', async (_, args, why) => {
    await expect(importContacts(args)).rejects.toThrow(why);
  });
});
