import { request } from 'node:http';
import { json } from 'node:stream/consumers';
import { beforeAll, describe, expect, it } from 'vitest';
import { createCampaign, numbers } from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);
let campaign: string;
beforeAll(async () => {
  campaign = await createCampaign(api, tenant);
});

const MiB = 1024 * 1024;

/** Sends an upload piece by piece, as often as `times`, and resolves with the answer and how much memory it took at most. */
async function upload(path: string, head: string | Buffer, piece: string | Buffer, times: number) {
  const before = process.memoryUsage().rss;
  let most = 0;
  const sent = request(`${api.url}/v1/campaigns/${campaign}/${path}`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${tenant.token}`, 'Content-Type': 'text/csv' },
  });
  const answered = new Promise<{ status: number; json: { code: string; detail: string } }>(
    (resolve, reject) => {
      sent.on('error', reject);
      sent.on('response', async (answer) => {
        resolve({
          status: answer.statusCode!,
          json: (await json(answer)) as { code: string; detail: string },
        });
      });
    },
  );
  let over = false;
  answered.finally(() => {
    over = true;
  });
  sent.write(head);
  for (let i = 0; i < times && !over; i++) {
    if (!sent.write(piece))
      await Promise.race([new Promise((resolve) => sent.once('drain', resolve)), answered]);
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  sent.end();
  return { ...(await answered), most };
}

async function stored(): Promise<number> {
  const { rows } = await api.db.pool.query('SELECT count(*)::int AS n FROM contacts WHERE campaign_id = $1', [
    campaign,
  ]);
  return rows[0].n;
}

const mark = (text: string, encoding: BufferEncoding) =>
  Buffer.concat([Buffer.from('\ufeff', encoding), Buffer.from(text, encoding)]);
const file = `number,name\n${numbers(1)[0]},Zoë\n`;

describe.each(['imports', 'contacts'])('a hostile file for %s', (path) => {
  it.each([
    ['UTF-16 with its mark', mark(file, 'utf16le'), 'not_utf8'],
    ['UTF-16 without one', Buffer.from(file, 'utf16le'), 'not_utf8'],
    ['UTF-16 of ASCII', Buffer.from('number\n+49301100001\n', 'utf16le'), 'fields_invalid'],
    ['UTF-16 the other way round', mark(file, 'utf16le').swap16(), 'not_utf8'],
    ['Latin-1', Buffer.from(file, 'latin1'), 'not_utf8'],
    ['UTF-8 and then Latin-1', Buffer.concat([Buffer.from(file), Buffer.from(file, 'latin1')]), 'not_utf8'],
    ['a surrogate in UTF-8', Buffer.concat([Buffer.from(file), Buffer.from([0xed, 0xa0, 0x80])]), 'not_utf8'],
    [
      'a form of / that is too long',
      Buffer.concat([Buffer.from(file), Buffer.from([0xc0, 0xaf])]),
      'not_utf8',
    ],
    ['nothing but a mark', Buffer.from('\ufeff'), 'fields_invalid'],
    ['nothing but NUL', Buffer.alloc(1000), 'fields_invalid'],
    ['a header twice as long as it may be', Buffer.from(`number,${'x'.repeat(130_000)}\n`), 'fields_invalid'],
    ['a quote in the middle', Buffer.from('number,name\n+4930110,a"b\n'), 'csv_invalid'],
    ['a quote that closes too soon', Buffer.from('number,name\n+4930110,"a"b\n'), 'csv_invalid'],
  ])('that is %s is refused, and nothing is stored', async (_, bytes, code) => {
    const got = await upload(path, bytes, '', 0);
    expect(got.json.code, JSON.stringify(got.json).slice(0, 500)).toBe(code);
    expect(got.status).toBeLessThan(500);
    expect(await stored()).toBe(0);
  });

  it('with tens of thousands of columns is refused', async () => {
    const columns = Array.from({ length: 30_000 }, (_, i) => i.toString(36));
    const got = await upload(path, `${columns.join(',')}\n`, '', 0);
    expect(got.json.code).toBe('fields_invalid');
  });

  it('with a million columns is refused', async () => {
    const got = await upload(path, 'number', ',x'.repeat(100_000), 10);
    expect([got.status, got.json.code]).toEqual([400, 'csv_invalid']);
    expect(got.json.detail).toContain('line 1');
    expect(await stored()).toBe(0);
  });
});

describe('an import', () => {
  it.each([
    ['a line', 'number,name\n+49301100001,', 'x', 'line 2'],
    ['a quote', 'number,name\n+49301100001,"', 'x\n', 'a quote before it is not closed'],
    ['a header', 'number,', 'x', 'line 1'],
    ['a line of quotes', 'number,name\n+49301100001,"', '""', 'line 2'],
    ['a line of delimiters', 'number,name\n+49301100001', ',', 'line 2'],
  ])('of %s of 100 MB is refused soon, and takes little memory', async (_, head, piece, why) => {
    const got = await upload('imports', head, piece.repeat(MiB / piece.length), 100);
    expect([got.status, got.json.code]).toEqual([400, 'csv_invalid']);
    expect(got.json.detail).toContain(why);
    expect(got.most).toBeLessThan(150 * MiB);
    expect(await stored()).toBe(0);
  });
});

it('a file whose lines end in CR alone is read', async () => {
  const got = await upload(
    'contacts',
    `number,name\r${numbers(2)
      .map((number) => `${number},Ada\r`)
      .join('')}`,
    '',
    0,
  );
  expect(got.json).toMatchObject({ added: 2 });
});
