import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { openApiDocument } from '../../src/api/openapi.js';
import { routes } from '../../src/api/routes.js';
import { createCampaign, insertAttempt, numbers } from './fixtures.js';
import { importing } from './importing.js';
import { useApi, useTenant } from './use.js';

// Whatever there is to fetch as CSV, by the OpenAPI document: an export that is new is tried here too, and fails without planted text.
const { paths = {} } = openApiDocument(routes);
const exports = Object.entries(paths).flatMap(([path, { get }]) =>
  get?.responses?.['200']?.content?.['text/csv'] ? [path] : [],
);

const FORMULAS = ['=1+1', '+1+1', '-1+1', '@SUM(A1)', '\t=1+1', '\r=1+1', '＝1+1'];
const PLANTED = [
  ...FORMULAS,
  ...FORMULAS.map((formula) => `x;${formula};`),
  'x\n=1+1',
  '"=1+1"',
  'x;"=1+1"',
  "'=1+1",
];
const NUMBER = /^[+-]?\d+(\.\d+)?$/;

const api = useApi();
const tenant = useTenant(api);
let campaign: string;
let job: string;
beforeAll(async () => {
  campaign = await createCampaign(api, tenant, { name: '=1+1' });
  const fields = Object.fromEntries(PLANTED.map((text, i) => [`${text} ${i}`, text]));
  const body = [{ number: numbers(1)[0], fields, consent_basis: 'express', consent_source: '=1+1;=1+1' }];
  await api.send('POST', `/v1/campaigns/${campaign}/contacts`, { token: tenant.token, body });
  const { attemptId } = await insertAttempt(api, tenant, campaign);
  await api.db.pool.query('UPDATE attempts SET answers = $2 WHERE id = $1', [attemptId, fields]);
  const rows = PLANTED.map((text) => `"${text.replaceAll('"', '""')}",${JSON.stringify('=1+1')}\n`);
  const sent = await importing(api, tenant, campaign).send('text/csv', [`number,name\n${rows.join('')}`]);
  job = sent.json.id;
  const finished = async () =>
    (await api.send('GET', `/v1/imports/${job}`, { token: tenant.token })).json.finished_at;
  await vi.waitFor(async () => expect(await finished()).not.toBeNull());
});

describe('what there is to fetch as CSV', () => {
  it('is known to the document', () => {
    expect(exports.length).toBeGreaterThanOrEqual(2);
    expect(exports).toContain('/v1/imports/{id}/rejected');
  });

  it.each(exports)(
    'has nothing that a spreadsheet computes, wherever it thinks that a cell begins: %s',
    async (path) => {
      const id = path.startsWith('/v1/imports') ? job : campaign;
      const reply = await api.send('GET', path.replace('{id}', id), { token: tenant.token });
      expect(reply.status).toBe(200);
      const text = reply.bytes.toString();
      expect(text).toContain("'=1+1");
      const cells = (parse(reply.bytes, { bom: true, relax_column_count: true }) as string[][]).flat();
      // With another delimiter quotes begin within a cell, and mean nothing there.
      const others = text.slice(1).split(/[;\t\r\n]/);
      for (const cell of cells) if (!NUMBER.test(cell)) expect(cell).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/);
      for (const cell of others) expect(cell).not.toMatch(/^"*[=+\-@＝＋－＠]/);
    },
  );
});
