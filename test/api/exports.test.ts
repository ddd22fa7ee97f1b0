import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it } from 'vitest';
import { unguard } from '../../src/api/csv.js';
import type { Reply } from './client.js';
import {
  addContacts,
  createCampaign,
  createEquipped,
  insertAttempt,
  numbers,
  unknownId,
} from './fixtures.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);

const get = (path: string, of = tenant) => api.send('GET', path, { token: of.token });
const lines = (reply: Reply) => reply.bytes.toString().split('\n').filter(Boolean);
const objects = (reply: Reply) => lines(reply).map((line) => JSON.parse(line));
const records = (reply: Reply): Record<string, string>[] =>
  parse(reply.bytes, { bom: true, columns: true, trim: true });

async function upload(campaign: string, body: unknown, type?: string): Promise<Reply> {
  const path = `/v1/campaigns/${campaign}/contacts`;
  return api.send('POST', path, { token: tenant.token, body, ...(type ? { type } : {}) });
}

const VERDICT = ['status', 'cause', 'measured', 'limit', 'after_ms', 'action', 'beep_after_ms', 'beep'];

describe('the export of attempts', () => {
  let id: string;
  const made: string[] = [];
  beforeAll(async () => {
    id = await createCampaign(api, tenant, { name: 'Vêspers "1"/../=2\r\nX: y' });
    await addContacts(api, tenant, id, numbers(450));
    for (let i = 0; i < 450; i++) made.push((await insertAttempt(api, tenant, id)).attemptId);
    await api.db.pool.query(
      `UPDATE attempts SET state = 'ended', disposition = 'answered', claimed_at = '2026-11-21T10:00:00Z',
        answered_at = '2026-11-21T10:00:05.25Z', ended_at = '2026-11-21T10:00:20Z', ring_seconds = 5.25,
        talk_seconds = 14.5, heard_seconds = 12, key = '*', sip_status = 200, hangup_cause = 16,
        hung_up_by = 'callee',
        machine = '{"status": "machine", "cause": "MAXWORDS", "measured": 3, "limit": 2, "after_ms": 1840,
          "action": "leave_message", "beep_after_ms": 7120, "beep": "over"}' WHERE id = $1`,
      [made[0]],
    );
    await api.db.pool.query(
      `UPDATE attempts SET state = 'ended', disposition = 'busy', ended_at = now() WHERE id = $1`,
      [made[1]],
    );
  });

  it('has in NDJSON exactly what the list has, in its order', async () => {
    const reply = await get(`/v1/campaigns/${id}/attempts/export?format=ndjson`);
    const { json } = await get(`/v1/campaigns/${id}/attempts?limit=1000`);
    expect(objects(reply)).toEqual(json.data);
    expect(json.data.length).toBe(450);
    expect(reply.headers.get('Content-Type')).toBe('application/x-ndjson');
  });

  it('has in CSV a header row and the same values', async () => {
    const reply = await get(`/v1/campaigns/${id}/attempts/export`);
    expect(reply.headers.get('Content-Type')).toBe('text/csv; charset=utf-8; header=present');
    const { json } = await get(`/v1/campaigns/${id}/attempts?limit=1000`);
    const inCells = (machine: object | null) =>
      Object.fromEntries(VERDICT.map((name) => [`machine_${name}`, machine?.[name as never] ?? null]));
    const expected = json.data.map(({ id: attempt_id, machine, answers, ...rest }: Record<string, unknown>) =>
      Object.fromEntries(
        Object.entries({ attempt_id, ...rest, ...inCells(machine as object | null) }).map(([name, value]) => [
          name,
          value === null ? '' : String(value),
        ]),
      ),
    );
    expect(records(reply)).toEqual(expected);
    expect(reply.bytes.toString()).toContain(`,${numbers(1)[0]},1,ended,answered,2026-11-21T10:00:00.000Z,`);
    expect(reply.bytes.toString()).toContain(',machine,MAXWORDS,3,2,1840,leave_message,7120,over\r\n');
  });

  it('may be of one state or disposition', async () => {
    const ids = async (query: string) =>
      objects(await get(`/v1/campaigns/${id}/attempts/export?format=ndjson&${query}`)).map((a) => a.id);
    expect(await ids('state=ended')).toEqual(made.slice(0, 2));
    expect(await ids('disposition=busy')).toEqual([made[1]]);
    expect(await ids('state=open&disposition=busy')).toEqual([]);
  });

  it('has a file name that no header, path or shell takes for more', async () => {
    const { headers } = await get(`/v1/campaigns/${id}/attempts/export`);
    expect(headers.get('Content-Disposition')).toBe('attachment; filename="Ve-spers-1-2-X-y-attempts.csv"');
    expect(headers.get('X')).toBeNull();
    const greek = await createCampaign(api, tenant, { name: 'Εσπερινός' });
    const other = await get(`/v1/campaigns/${greek}/contacts/export?format=ndjson`);
    expect(other.headers.get('Content-Disposition')).toBe('attachment; filename="campaign-contacts.ndjson"');
  });

  it('is an empty file without attempts, with the header row in CSV', async () => {
    const empty = await createCampaign(api, tenant);
    const csv = await get(`/v1/campaigns/${empty}/attempts/export`);
    expect(csv.bytes.toString()).toMatch(/^\uFEFFattempt_id,campaign_id,[a-z_,]+\r\n$/);
    const ndjson = await get(`/v1/campaigns/${empty}/attempts/export?format=ndjson`);
    expect([ndjson.status, ndjson.bytes.length]).toEqual([200, 0]);
  });

  it('refuses another format and unknown filters by the field, and is not there for another tenant', async () => {
    const path = `/v1/campaigns/${id}/attempts/export`;
    const { status, json } = await get(`${path}?format=xlsx&state=done&disposition=fine&limit=3`);
    expect(status).toBe(422);
    expect(json.errors.map((e: { field: string }) => e.field)).toEqual([
      '?format',
      '?state',
      '?disposition',
      '?limit',
    ]);
    expect((await get(path, await createEquipped(api))).status).toBe(404);
    expect((await get(`/v1/campaigns/${unknownId}/attempts/export`)).status).toBe(404);
  });

  it('answers HEAD with the same headers and nothing else', async () => {
    const reply = await api.send('HEAD', `/v1/campaigns/${id}/attempts/export`, { token: tenant.token });
    expect(reply.headers.get('Content-Disposition')).toContain('attempts.csv');
    expect([reply.status, reply.bytes.length]).toEqual([200, 0]);
  });
});

describe('the export of contacts', () => {
  const contacts: { number: string; fields: Record<string, unknown> }[] = [
    { number: numbers(1)[0]!, fields: { name: '=cmd|"/c calc"!A1', 'a,b': ' x ', amount: 12.5, vip: true } },
    { number: numbers(1, 1)[0]!, fields: { name: "'-dash\nand line", constructor: 'c', debt: '-12.5' } },
    { number: numbers(1, 2)[0]!, fields: {} },
  ];
  let id: string;
  beforeAll(async () => {
    id = await createCampaign(api, tenant, { name: 'Müller' });
    await upload(id, contacts);
    await api.db.pool.query(`UPDATE contacts SET state = 'busy' WHERE campaign_id = $1 AND number = $2`, [
      id,
      contacts[1]!.number,
    ]);
  });

  it('has in NDJSON exactly what the list has', async () => {
    const reply = await get(`/v1/campaigns/${id}/contacts/export?format=ndjson`);
    expect(objects(reply)).toEqual((await get(`/v1/campaigns/${id}/contacts`)).json.data);
  });

  it('has in CSV a column for each field, and no cell that a spreadsheet computes', async () => {
    const rows = records(await get(`/v1/campaigns/${id}/contacts/export`));
    expect(Object.keys(rows[0]!)).toEqual([
      ...['contact_id', 'campaign_id', 'number', 'time_zone', 'priority'],
      ...['consent_basis', 'consent_source', 'consent_at'],
      ...['state', 'attempts', 'due_at', 'held_for', 'problem', 'created_at', 'updated_at'],
      ...['field.a,b', 'field.amount', 'field.constructor', 'field.debt', 'field.name', 'field.vip'],
    ]);
    expect(rows[0]).toMatchObject({
      number: contacts[0]!.number,
      'field.name': `'=cmd|"/c calc"!A1`,
      'field.a,b': ' x ',
      'field.amount': '12.5',
      'field.vip': 'true',
      'field.constructor': '',
    });
    expect(rows[1]).toMatchObject({
      'field.name': "''-dash\nand line",
      'field.debt': '-12.5',
      state: 'busy',
    });
    for (const cell of rows.flatMap((row) => Object.values(row)))
      expect(cell).not.toMatch(/^[=+\-@\t\r](?![\d.]+$)/);
  });

  it('may be of one state, with the fields of those only', async () => {
    const rows = records(await get(`/v1/campaigns/${id}/contacts/export?state=busy`));
    expect(rows.map((row) => row.number)).toEqual([contacts[1]!.number]);
    expect(Object.keys(rows[0]!)).not.toContain('field.vip');
    const ndjson = await get(`/v1/campaigns/${id}/contacts/export?state=pending&format=ndjson`);
    expect(objects(ndjson).length).toBe(2);
  });

  it('can be uploaded as it is: the same numbers and fields, as text', async () => {
    const { bytes } = await get(`/v1/campaigns/${id}/contacts/export`);
    const copy = await createCampaign(api, tenant);
    expect((await upload(copy, bytes, 'text/csv')).json).toEqual({ added: 3, duplicates: 0 });
    const { json } = await get(`/v1/campaigns/${copy}/contacts`);
    expect(json.data.map(({ number, fields }: Record<string, unknown>) => ({ number, fields }))).toEqual([
      { number: contacts[0]!.number, fields: { ...contacts[0]!.fields, amount: '12.5', vip: 'true' } },
      contacts[1],
      contacts[2],
    ]);
  });

  it('leaves a file that is no export of ours as it was read before, but for guarded cells', async () => {
    const copy = await createCampaign(api, tenant);
    await upload(copy, "number,field.name,state,note\n'+49301100000,Ada,NY,'=1\n", 'text/csv');
    const { json } = await get(`/v1/campaigns/${copy}/contacts`);
    expect(json.data[0]).toMatchObject({
      number: '+49301100000',
      fields: { 'field.name': 'Ada', state: 'NY', note: '=1' },
    });
    expect(unguard("'=1")).toBe('=1');
  });

  it('refuses CSV, and takes NDJSON, when there are more fields than a spreadsheet has columns', async () => {
    const wide = await createCampaign(api, tenant);
    const many = numbers(17, 500).map((number, i) => ({
      number,
      fields: Object.fromEntries(Array.from({ length: 60 }, (_, k) => [`f${i}-${k}`, 1])),
    }));
    await upload(wide, many);
    const { status, json } = await get(`/v1/campaigns/${wide}/contacts/export`);
    expect([status, json.errors[0].field]).toEqual([422, '?format']);
    expect(json.errors[0].message).toContain('more than 1000 different fields; ask for ndjson');
    expect(objects(await get(`/v1/campaigns/${wide}/contacts/export?format=ndjson`)).length).toBe(17);
  });
});
