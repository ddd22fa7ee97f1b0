import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Running } from '../../src/main.js';
import { packageRoot } from '../../src/root.js';
import {
  attemptsOf,
  contactsOf,
  insertTenantFixture,
  insertTrunkFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import {
  apiFor,
  describeOnAsterisk,
  type Line,
  type SendToApi,
  startLine,
  toneMessage,
} from '../support/line.js';

/** What would be a directive, an option, another destination or an expression if it got where it must not. */
const HOSTILE = [
  '\r\nApplication: System\r\nData: touch /tmp/owned',
  '\nChannel: Local/900@premium',
  '\rSet: X=1',
  '; Archive: no',
  ' # a comment',
  '&PJSIP/+19005550100@far',
  '/n',
  '@elsewhere',
  ',s,1',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of Asterisk's
  '${SHELL(touch /tmp/owned)}',
  '$[1 + 1]',
  '{token}',
  '"Mallory" <+19005550100>',
  '\\',
  '|',
  '\t',
  '\u202e\u200f\u2067',
  '\u2028Application: System',
];
const LONG = 'x'.repeat(2048);
const NUL = 'a\0b';
const GOOD = '+12122000201';
const CALLER_ID = '+12125550177';

const HOSTILE_NUMBERS = [
  ...HOSTILE.flatMap((text) => [GOOD + text, text + GOOD, `+1212${text}2000201`]),
  GOOD + LONG,
  `${GOOD}${NUL}`,
  '1'.repeat(2048),
  `${GOOD};ext=5`,
  `${GOOD} ext 5`,
  'tel:+12122000201',
];

/** A field of each hostile text, under a harmless name, and the other way round. */
const fieldsOf = (i: number) => ({ name: HOSTILE[i]!, [`Set ${HOSTILE[i]!}`.slice(0, 64)]: 'System' });

describeOnAsterisk('a hostile contact', () => {
  let line: Line;
  let campanile: Running;
  let tenant: TenantFixture;
  let api: SendToApi;
  let admin: SendToApi;
  const campaigns: string[] = [];

  beforeAll(async () => {
    line = await startLine({ config: { keepFilesSeconds: 3600 } });
    campanile = await line.start();
    tenant = await insertTenantFixture(line.database.pool, { ports: 30, ...toneMessage(0.3) });
    api = await apiFor(line, campanile, tenant);
    admin = await apiFor(line, campanile, { admin: true });
  });
  afterAll(() => line.stop());

  async function createCampaign(body: object): Promise<string> {
    const created = await api('POST', '/v1/campaigns', {
      name: HOSTILE[0]!.trim(),
      trunk_ids: [tenant.trunkId],
      message_id: tenant.messageId,
      ring_seconds: 17,
      ...body,
    });
    expect(created.status).toBe(201);
    campaigns.push(created.json.id);
    return created.json.id;
  }

  const csvOf = (rows: string[][]) =>
    rows.map((row) => row.map((value) => `"${value.replaceAll('"', '""')}"`).join(',')).join('\n');

  it('is refused when it is in the number, each by its place, and nobody of that upload is taken', async () => {
    const id = await createCampaign({});
    const path = `/v1/campaigns/${id}/contacts`;
    const json = await api(
      'POST',
      path,
      [GOOD, ...HOSTILE_NUMBERS].map((number) => ({ number })),
    );
    expect(json.status).toBe(422);
    const wrong = HOSTILE_NUMBERS.map((_, i) => `/${i + 1}/number`);
    expect(json.json.errors.map((e: { field: string }) => e.field)).toEqual(wrong);

    // Blanks around a value of CSV are no part of it, so what is left of `\t` is a good number.
    const rows = HOSTILE_NUMBERS.filter((number) => number.trim() !== GOOD);
    const csv = await api('POST', path, csvOf([['number'], [GOOD], ...rows.map((n) => [n])]), 'text/csv');
    expect(csv.status).toBe(422);
    const named = csv.json.errors.map((e: { field: string }) => e.field);
    expect(named).toEqual(rows.map((_, i) => `/contacts/${i + 1}/number`));

    expect(await contactsOf(line.database.pool, id)).toEqual([]);
    campaigns.pop();
  });

  it('is refused by the database as well', async () => {
    const id = await createCampaign({});
    for (const number of [`${GOOD}\n`, `${GOOD}\nApplication: System`, `${GOOD}@far`, `${GOOD};`]) {
      const insert = line.database.pool.query(
        'INSERT INTO contacts (tenant_id, id, campaign_id, number) VALUES ($1, gen_random_uuid(), $2, $3)',
        [tenant.tenantId, id, number],
      );
      await expect(insert).rejects.toThrow(/contact_number_is_e164/);
    }
    campaigns.pop();
  });

  it('is refused in everything else that comes near a call file', async () => {
    for (const text of HOSTILE) {
      const body = { name: 'x', trunk_ids: [tenant.trunkId], message_id: tenant.messageId };
      const campaign = await api('POST', '/v1/campaigns', { ...body, caller_id: CALLER_ID + text });
      expect([text, campaign.status]).toEqual([text, 422]);
      const query = `?tenant_id=${tenant.tenantId}`;
      for (const wrong of [{ pbx_trunk: `far${text}` }, { template: `direct${text}` }]) {
        const trunk = { name: 'x', template: 'direct', pbx_trunk: 'far', ports: 1, ...wrong };
        expect([text, (await admin('POST', `/v1/trunks${query}`, trunk)).status]).toEqual([text, 422]);
      }
    }
  });

  it('may have any fields that can be stored', async () => {
    const json = await createCampaign({ caller_id: CALLER_ID });
    const numbers = numbersFor('201', HOSTILE.length);
    const path = (id: string) => `/v1/campaigns/${id}/contacts`;
    for (const bad of [LONG, NUL]) {
      const contacts = [{ number: GOOD, fields: { name: bad } }];
      expect((await api('POST', path(json), contacts)).status).toBe(422);
    }
    const rows = numbers.map((number, i) => ({ number, fields: fieldsOf(i) }));
    expect((await api('POST', path(json), rows)).json).toEqual({ added: rows.length, duplicates: 0 });
    const stored = await contactsOf(line.database.pool, json);
    expect(stored.map((c) => c.fields)).toEqual(rows.map((r) => r.fields));

    const csv = await createCampaign({});
    const lines = numbers.map((number, i) => [number, `a${HOSTILE[i]!}b`]);
    expect((await api('POST', path(csv), csvOf([['number', 'name'], ...lines]), 'text/csv')).status).toBe(
      201,
    );
    const fromCsv = await contactsOf(line.database.pool, csv);
    expect(fromCsv.map((c) => [c.number, c.fields.name])).toEqual(lines);

    const routed = await insertTrunkFixture(line.database.pool, tenant, {
      pbxTrunk: 'far',
      template: 'routed',
    });
    const other = await createCampaign({ trunk_ids: [routed.trunkId], caller_id: CALLER_ID });
    expect((await api('POST', path(other), rows)).status).toBe(201);
  });

  it('is dialled by call files that hold nothing but what their template says', async () => {
    const { pool } = line.database;
    for (const id of campaigns) expect((await api('POST', `/v1/campaigns/${id}/start`)).status).toBe(200);
    await untilCompleted(pool, campaigns, 60);

    const files = await keptFiles();
    expect(files.size).toBe(campaigns.length * HOSTILE.length);
    for (const [i, id] of campaigns.entries()) {
      const template = i === 2 ? 'routed' : 'direct';
      const callerId = i === 1 ? null : CALLER_ID;
      for (const attempt of await attemptsOf(pool, id)) {
        const callId = `${attempt.tenant_id}.${attempt.id}`;
        const text = files.get(`${callId}.call`)!;
        const token = /^Set: __CAMPANILE_TOKEN=([\w-]{32})$/m.exec(text)?.[1] ?? 'no token';
        const values: Record<string, string | null> = {
          number: attempt.number,
          trunk: 'far',
          caller_id: callerId,
          ring_seconds: '17',
          call: callId,
          token,
          agi: line.config.agiUrl,
          reports:
            /^Set: __CAMPANILE_REPORTS=(\S+\/campanile\/reports\/\d{13}\.reports)$/m.exec(text)?.[1] ??
            'none',
        };
        const written = await filled(template, values);
        expect(text.slice(0, written.length)).toBe(written);
        // Asterisk's diary, the line that closes what is kept, and nothing else.
        expect(text.slice(written.length)).toMatch(
          /^(\n?StartRetry: \d+ \d+ \(\d+\)\n)(Status: (Completed|Expired)\n)\nEndRetry: 0 1 \(0\)\n$/,
        );
      }
    }

    const dialled = (await line.farEnd.calls()).map((call) => call.number);
    expect(new Set(dialled)).toEqual(new Set(numbersFor('201', HOSTILE.length)));
  });

  async function keptFiles(): Promise<Map<string, string>> {
    const kept = join(line.config.spoolDir, 'campanile/kept');
    const files = new Map<string, string>();
    for (const hour of await readdir(kept)) {
      for (const name of await readdir(join(kept, hour))) {
        files.set(name, await readFile(join(kept, hour, name), 'utf8'));
      }
    }
    return files;
  }

  /** The lines of a template as its author reads them: comments away, and each placeholder's value in its place. */
  async function filled(template: string, values: Record<string, string | null>): Promise<string> {
    const text = await readFile(join(packageRoot, 'spool-templates', `${template}.call`), 'utf8');
    const lines = text.split('\n').filter((row) => row !== '' && !row.startsWith('#'));
    return lines
      .filter((row) => !(row.includes('{caller_id}') && values.caller_id === null))
      .map((row) => `${row.replace(/(?<!\$)\{(\w+)\}/g, (_, name: string) => values[name]!)}\n`)
      .join('');
  }
});
