import { beforeEach, describe, expect, it } from 'vitest';
import { countersOf } from '../support/campaigns.js';
import { addContacts, createCampaign, createTenant, numbers } from './fixtures.js';
import { type Importing, importing } from './importing.js';
import { useApi, useNotifications, useTenant } from './use.js';

let id: string;
let imports: Importing;
const api = useApi();
const tenant = useTenant(api, { default_region: 'DE' });
const notifications = useNotifications(api);
beforeEach(async () => {
  id = await createCampaign(api, tenant);
  imports = importing(api, tenant, id);
});

const setStatus = (status: string) =>
  api.db.pool.query('UPDATE campaigns SET status = $2 WHERE id = $1', [id, status]);
async function expectCounters(pending: number): Promise<void> {
  const { kept, counted } = await countersOf(api.db.pool, id);
  expect(kept).toEqual(counted);
  expect(counted.pending).toBe(pending);
}

describe('an import of CSV', () => {
  it('stores numbers, time zones and fields, in the order in which they came', async () => {
    const job = await imports.csv(
      'name,number,time_zone\r\n"Ada, ""the\tfirst"" \\ N",030 1100009,Europe/Berlin\r\nEve,+49301100003,\r\n',
    );
    expect(job).toMatchObject({ state: 'completed', rows: 2, added: 2, duplicates: 0, rejected: 0 });
    expect(await imports.stored()).toEqual([
      { number: '+49301100009', time_zone: 'Europe/Berlin', fields: { name: 'Ada, "the\tfirst" \\ N' } },
      { number: '+49301100003', time_zone: null, fields: { name: 'Eve' } },
    ]);
    await expectCounters(2);
  });

  it.each([
    ['a byte order mark and CRLF', '\ufeffnumber,name\r\n+49301100001,Ada\r\n'],
    ['the semicolons of European spreadsheets', 'name;number\n"Ada";+49301100001\n'],
    ['a comma in a header of semicolons', '"number";"name"\n+49301100001;Ada\n'],
    ['empty lines, before the header too', '\r\n\r\nnumber;name\r\n\r\n+49301100001;Ada\r\n\r\n'],
    ['a header alone in its packet', 'number,name'],
  ])('may have %s', async (what, text) => {
    const whole = what.includes('packet') ? [text, '\n+49301100001,A', 'da\n'] : [text];
    expect(await imports.pieces('text/csv', whole)).toMatchObject({
      state: 'completed',
      added: 1,
      rejected: 0,
    });
    expect(await imports.stored()).toMatchObject([{ number: '+49301100001', fields: { name: 'Ada' } }]);
  });

  it('takes text of any length whole, whatever is read of it at once', async () => {
    // At any distance from the start: each of the two halves that a character has in JavaScript.
    const texts = Array.from({ length: 400 }, (_, i) => '😀'.repeat(i) + 'x'.repeat(i % 2));
    const rows = numbers(400).map((number, i) => `${number},${texts[i]}\n`);
    expect(await imports.csv(`number,name\n${rows.join('')}`)).toMatchObject({ added: 400, rejected: 0 });
    expect((await imports.stored()).map(({ fields }) => fields.name)).toEqual(texts);
  });

  it('stores rows that are longer than what is staged at once', async () => {
    const fields = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, 'ß€'.repeat(400)]));
    const rows = numbers(3).map((number) => `${JSON.stringify({ number, fields })}\n`);
    expect(await imports.ndjson(rows.join(''))).toMatchObject({ added: 3, rejected: 0 });
    expect((await imports.stored()).map((row) => row.fields)).toEqual([fields, fields, fields]);
  });

  it('takes characters that two packets share', async () => {
    const bytes = Buffer.from('number,name\n+49301100001,Zoë\n');
    const cut = bytes.indexOf(0xc3) + 1;
    await imports.pieces('text/csv', [bytes.subarray(0, cut), bytes.subarray(cut)]);
    expect(await imports.stored()).toMatchObject([{ fields: { name: 'Zoë' } }]);
  });

  it('drops duplicates, in the file and of the campaign, and counts them', async () => {
    await addContacts(api, tenant, id, ['+49301100001']);
    const job = await imports.csv(
      'number,name\n0301100001,a\n+49301100002,b\n030/1100002,c\n+49301100003,d\n12,e\n',
    );
    expect(job).toMatchObject({ rows: 5, added: 2, duplicates: 2, rejected: 1 });
    expect((await imports.stored()).map((c) => c.fields.name)).toEqual([undefined, 'b', 'd']);
    await expectCounters(3);
  });

  it('reports each bad row with its line, reason and text', async () => {
    const job = await imports.csv(
      'number,name,time_zone\n+49301100001,"two\nlines",UTC\n4.93012E+11,Ada,\n"4,93012E+11",Ada,\n' +
        '+49301100003\n+49301100004,a,UTC,b\n=1+1,"a,b",\n+49301100005,x,Berlin\n+49301100006,\0,UTC\n',
    );
    expect(job).toMatchObject({ state: 'completed', rows: 8, added: 1, rejected: 7 });
    const lines = (await imports.rejected(job.id)).split('\r\n');
    expect(lines[0]).toBe('line,reason,row');
    expect(lines[1]).toMatch(/^4,.*a spreadsheet has rounded it.*"4\.93012E\+11,Ada,"$/);
    expect(lines[2]).toMatch(/^5,.*a spreadsheet has rounded it/);
    expect(lines[3]).toBe('6,has 1 values where the header row has 3,+49301100003');
    expect(lines[4]).toBe('7,has 4 values where the header row has 3,"\'+49301100004,a,UTC,b"');
    expect(lines[5]).toMatch(/^8,.*"'=1\+1,""a,b"","$/);
    expect(lines[6]).toMatch(/^9,time_zone: must be an IANA time zone/);
    expect(lines[7]).toMatch(/^10,fields\/name: .*NUL/);
    expect(lines.slice(8)).toEqual(['']);
  });

  it.each([
    ['no column `number`', 'phone;name\n+49301100001;Ada\n', 422, 'its columns are `phone`, `name`'],
    ['a column twice', 'number,name,name\n+49301100001,Ada,Eve\n', 422, '`name` twice'],
    ['no rows', 'number,name\n', 422, 'holds no contacts'],
    ['nothing', '', 422, 'holds no contacts'],
    ['a quote that is not closed', 'number,name\n+49301100001,"Ada\n', 400, 'Quote Not Closed'],
    [
      'a quote that swallows all that follows',
      `number,name\n+49301100001,"Ada\n${'+49301100002,Eve\n'.repeat(20_000)}`,
      400,
      'a quote before it is not closed',
    ],
  ])('is refused with %s, and nothing is stored', async (_, text, status, why) => {
    const reply = await imports.send('text/csv', [text]);
    expect(reply.status).toBe(status);
    expect(JSON.stringify(reply.json)).toContain(why);
    expect(await imports.jobs()).toMatchObject([{ state: 'failed', error_code: reply.json.code }]);
    await expectCounters(0);
  });

  it('is refused as soon as it is not UTF-8', async () => {
    const reply = await imports.send('text/csv', [
      Buffer.from('number,name\n+49301100001,Zo\xeb\n', 'latin1'),
    ]);
    expect(reply).toMatchObject({ status: 400, json: { code: 'not_utf8' } });
    await expectCounters(0);
  });
});

describe('an import of NDJSON', () => {
  it('takes a contact from each line and reports the others', async () => {
    const fields = { name: 'Ada', amount: 12.5, vip: true, note: null };
    const job = await imports.ndjson(
      `${JSON.stringify({ number: '+49301100001', fields, time_zone: 'UTC' })}\r\n\n{"number": "0301100002"}\nno\n` +
        '{"number": 3}\n[]\n{"number": "+49301100001"}',
    );
    expect(job).toMatchObject({ state: 'completed', rows: 6, added: 2, duplicates: 1, rejected: 3 });
    expect(await imports.stored()).toEqual([
      { number: '+49301100001', time_zone: 'UTC', fields },
      { number: '+49301100002', time_zone: null, fields: {} },
    ]);
    const lines = (await imports.rejected(job.id)).split('\r\n');
    expect(lines.slice(1, 4).map((line) => line.split(',')[0])).toEqual(['4', '5', '6']);
    expect(lines[1]).toBe('4,is not JSON,no');
  });

  it('is refused with a line that does not end', async () => {
    const reply = await imports.send('application/x-ndjson', [`{"number": "${'1'.repeat(200_000)}`]);
    expect(reply).toMatchObject({ status: 400, json: { code: 'ndjson_invalid' } });
  });
});

describe('an import', () => {
  it('is of CSV or NDJSON', async () => {
    expect((await imports.send('application/json', ['[]'])).status).toBe(415);
  });

  it('is not seen by another tenant', async () => {
    const job = await imports.csv('number\n+49301100001\n12\n');
    const { token } = await createTenant(api);
    for (const path of [`/v1/imports/${job.id}`, `/v1/imports/${job.id}/rejected`]) {
      expect((await api.send('GET', path, { token })).status).toBe(404);
    }
  });

  it('into a running campaign wakes the schedulers when it is completed, and not before', async () => {
    await setStatus('running');
    await notifications.take();
    await imports.csv('number\n+49301100001\n');
    expect(await notifications.take()).toEqual(['campanile_due']);
  });

  it('is refused when the campaign has ended', async () => {
    await setStatus('cancelled');
    const reply = await imports.send('text/csv', ['number\n+49301100001\n']);
    expect(reply).toMatchObject({ status: 409, json: { code: 'campaign_ended' } });
  });

  it('keeps the first 100,000 rejected rows, counts all and says so', async () => {
    const job = await imports.csv(`number\n${'12\n'.repeat(100_500)}+49301100001\n`);
    expect(job).toMatchObject({ rows: 100_501, added: 1, rejected: 100_500 });
    const lines = (await imports.rejected(job.id)).split('\r\n');
    expect(lines).toHaveLength(1 + 100_000 + 1 + 1);
    expect(lines[100_001]).toBe(',500 more rows were rejected: the first 100000 are listed,');
  });

  it('of numbers that another one holds in the opposite order runs beside it', async () => {
    const all = numbers(5000);
    const jobs = await Promise.all([
      imports.csv(`number\n${all.join('\n')}`),
      imports.csv(`number\n${all.toReversed().join('\n')}`),
    ]);
    expect(jobs.map((job) => job.state)).toEqual(['completed', 'completed']);
    expect(jobs.map((job) => job.added).sort()).toEqual([0, 5000]);
    await expectCounters(5000);
  });
});
