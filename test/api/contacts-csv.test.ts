import { beforeEach, describe, expect, it } from 'vitest';
import { countersOf } from '../support/campaigns.js';
import { createCampaign } from './fixtures.js';
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
const list = async (query = '') =>
  (await api.send('GET', `/v1/campaigns/${id}/contacts${query}`, { token: tenant.token })).json;
const stored = async () =>
  (await list('?limit=1000')).data.map(({ number, fields }: { number: string; fields: object }) => ({
    number,
    fields,
  }));
async function expectCounters(pending: number): Promise<void> {
  const { kept, counted } = await countersOf(api.db.pool, id);
  expect(kept).toEqual(counted);
  expect(counted.pending).toBe(pending);
}

describe('contacts in CSV', () => {
  it('take their number from one column and their fields from the others', async () => {
    const reply = await csv(
      'name,number,amount\r\n"Ada, ""the"" first",030 1100001,12\r\n,+49301100002,\r\n',
    );
    expect(reply.json).toEqual({ added: 2, duplicates: 0 });
    expect(await stored()).toEqual([
      { number: '+49301100001', fields: { name: 'Ada, "the" first', amount: '12' } },
      { number: '+49301100002', fields: { name: '', amount: '' } },
    ]);
    await expectCounters(2);
  });

  it.each([
    ['a byte order mark', '\ufeffnumber,name\n+49301100001,Ada\n'],
    ['semicolons', 'number;name\n+49301100001;Ada\n'],
    ['tabs', 'number\tname\n+49301100001\tAda\n'],
    ['empty lines and no line break at the end', '\nnumber,name\n\n\n+49301100001,Ada'],
    ['blanks around values', 'number , name\n +49301100001 , Ada \n'],
  ])('may have %s', async (_, text) => {
    expect((await csv(text)).json).toEqual({ added: 1, duplicates: 0 });
    expect(await stored()).toEqual([{ number: '+49301100001', fields: { name: 'Ada' } }]);
  });

  it('may name their charset, if it is UTF-8', async () => {
    const text = 'number,name\n+49301100001,Zoë\n';
    expect((await send(text, 'text/csv; charset=utf-8; header=present')).status).toBe(201);
    expect((await stored())[0].fields).toEqual({ name: 'Zoë' });
    expect((await send(text, 'text/csv; charset=latin1')).status).toBe(415);
    expect((await csv(Buffer.from(text, 'latin1'))).json.code).toBe('not_utf8');
  });

  it('are refused with the line of every wrong row', async () => {
    const reply = await csv('number,name\n+49301100001,"two\nlines"\n1.5E+11,Ada\n+49301100003\n,\n');
    expect(reply.json.errors).toEqual([
      {
        field: '/contacts/1/number',
        message: expect.stringMatching(/^line 4: "1.5E\+11" is not a phone number/),
      },
      { field: '/contacts/2', message: 'line 5: has 1 values where the header row has 2' },
      { field: '/contacts/3/number', message: expect.stringMatching(/^line 6: /) },
    ]);
    await expectCounters(0);
  });

  it.each([
    ['no column `number`', 'phone,name\n+49301100001,Ada\n', 422, 'no column `number`'],
    ['a column twice', 'number,name,name\n+49301100001,Ada,Eve\n', 422, '`name` twice'],
    ['no rows', 'number,name\n', 422, 'holds no contacts'],
    ['nothing', '', 422, 'holds no contacts'],
    ['a quote that is not closed', 'number,name\n+49301100001,"Ada\n', 400, 'CSV'],
  ])('are refused with %s', async (_, text, status, why) => {
    const reply = await csv(text);
    expect(reply.status).toBe(status);
    expect(JSON.stringify(reply.json)).toContain(why);
  });
});
