import { z } from 'zod';
import type { MachineVerdict } from '../../calls/machine.js';
import { CONTACT_STATES, type ContactState } from '../../calls/states.js';
import { type Attempt, listAnswerNames, readAttempts } from '../../db/attempts.js';
import { type Campaign, findCampaignById } from '../../db/campaigns.js';
import { type Contact, listFieldNames, readContacts } from '../../db/contacts.js';
import type { Tx } from '../../db/pool.js';
import { FIELD_PREFIX, renderHeader, renderRows } from '../csv.js';
import { type ExportFile, sendExport } from '../export.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route } from '../route.js';
import { attemptsQuery, type ExportFormat, exportContent, format } from '../schemas/export.js';
import { showAttempt } from './attempts.js';

/** Some spreadsheets take no more columns than 1024. */
const MOST_FIELDS = 1000;

/** What the columns of answers begin with. */
const ANSWER_PREFIX = 'answer.';

type ShownAttempt = ReturnType<typeof showAttempt>;

const ATTEMPT_COLUMNS = {
  attempt_id: 'id',
  campaign_id: 'campaign_id',
  contact_id: 'contact_id',
  trunk_id: 'trunk_id',
  number: 'number',
  ordinal: 'ordinal',
  state: 'state',
  disposition: 'disposition',
  claimed_at: 'claimed_at',
  answered_at: 'answered_at',
  ended_at: 'ended_at',
  ring_seconds: 'ring_seconds',
  talk_seconds: 'talk_seconds',
  heard_seconds: 'heard_seconds',
  key: 'key',
  sip_status: 'sip_status',
  hangup_cause: 'hangup_cause',
  hung_up_by: 'hung_up_by',
  silent: 'silent',
  test: 'test',
  cause: 'cause',
  steps: 'steps',
} as const satisfies Record<string, keyof ReturnType<typeof showAttempt>>;

/** Of the verdict on person or machine, as columns machine_status and so on. */
const MACHINE_CELLS = [
  'status',
  'cause',
  'measured',
  'limit',
  'after_ms',
  'action',
  'beep_after_ms',
  'beep',
] as const satisfies readonly (keyof MachineVerdict)[];
const MACHINE_COLUMNS = MACHINE_CELLS.map((name) => `machine_${name}`);

const CONTACT_COLUMNS = {
  contact_id: 'id',
  campaign_id: 'campaign_id',
  number: 'number',
  time_zone: 'time_zone',
  priority: 'priority',
  consent_basis: 'consent_basis',
  consent_source: 'consent_source',
  consent_at: 'consent_at',
  state: 'state',
  attempts: 'attempts',
  due_at: 'due_at',
  held_for: 'held_for',
  problem: 'problem',
  created_at: 'created_at',
  updated_at: 'updated_at',
} as const satisfies Record<string, keyof Contact>;

export const exportAttempts = route({
  method: 'get',
  path: '/v1/campaigns/{id}/attempts/export',
  access: 'tenant',
  summary: 'Export a campaign’s attempts, however many, the newest last',
  query: attemptsQuery,
  answer: exportContent(
    'Attempt',
    `${[...Object.keys(ATTEMPT_COLUMNS), ...MACHINE_COLUMNS].join(', ')}, and ${ANSWER_PREFIX}NAME for each answer`,
  ),
  problems: ['http_1_1_required', 'too_many_exports', 'exports_busy'],
  async handle({ id, query, ...call }) {
    const campaign = await findCampaignById(call.db, call.tenant.id, id);
    if (!campaign) throw notFound('campaign');
    const only = { state: query.state ?? null, disposition: query.disposition ?? null };
    await sendExport(call, fileOf(campaign, 'attempts', query.format), (tx) => {
      const batches = shown(readAttempts(tx, call.tenant.id, id, only));
      if (query.format === 'ndjson') return renderNdjson(batches);
      return renderAttempts(batches, () => listAnswerNames(tx, call.tenant.id, id, only, MOST_FIELDS + 1));
    });
  },
});

export const exportContacts = route({
  method: 'get',
  path: '/v1/campaigns/{id}/contacts/export',
  access: 'tenant',
  summary: 'Export a campaign’s contacts, however many, by number',
  query: z.strictObject({ format, state: z.enum(CONTACT_STATES).optional() }),
  answer: exportContent(
    'Contact',
    `${Object.keys(CONTACT_COLUMNS).join(', ')}, and ${FIELD_PREFIX}NAME for each field`,
  ),
  problems: ['http_1_1_required', 'too_many_exports', 'exports_busy'],
  async handle({ id, query, ...call }) {
    const campaign = await findCampaignById(call.db, call.tenant.id, id);
    if (!campaign) throw notFound('campaign');
    const state = query.state ?? null;
    await sendExport(call, fileOf(campaign, 'contacts', query.format), (tx) =>
      query.format === 'ndjson'
        ? renderNdjson(readContacts(tx, call.tenant.id, id, state))
        : renderContacts(tx, call.tenant.id, id, state),
    );
  },
});

async function* shown(batches: AsyncIterable<Attempt[]>) {
  for await (const rows of batches) yield rows.map(showAttempt);
}

/** Attempts as CSV with a column for each answer that any of them has. */
async function* renderAttempts(
  batches: AsyncIterable<ShownAttempt[]>,
  listNames: () => Promise<string[]>,
): AsyncGenerator<string> {
  const names = await listNames();
  if (names.length > MOST_FIELDS) throw tooManyColumns('attempts', 'answers');
  const keys = Object.values(ATTEMPT_COLUMNS);
  const answers = names.map((name) => ANSWER_PREFIX + name);
  const header = [...Object.keys(ATTEMPT_COLUMNS), ...MACHINE_COLUMNS, ...answers];
  yield* renderCsv(header, batches, (attempt) => [
    ...keys.map((key) => (key === 'steps' ? shortSteps(attempt.steps) : attempt[key])),
    ...MACHINE_CELLS.map((name) => attempt.machine?.[name] ?? null),
    ...names.map((name) =>
      attempt.answers && Object.hasOwn(attempt.answers, name) ? attempt.answers[name] : null,
    ),
  ]);
}

/** Steps as one cell: each with what was pressed and how it ended, as in `welcome, ask 12 answered, bye`. */
function shortSteps(steps: ShownAttempt['steps']): string | null {
  if (!steps) return null;
  return steps
    .map(({ step, pressed = [], outcome }) =>
      [step, pressed.map(({ key }) => key).join(''), outcome ?? ''].filter((word) => word !== '').join(' '),
    )
    .join(', ');
}

/** Contacts as CSV with a column for each field that any of them has. */
async function* renderContacts(
  tx: Tx,
  tenantId: string,
  id: string,
  state: ContactState | null,
): AsyncGenerator<string> {
  const names = await listFieldNames(tx, tenantId, id, state, MOST_FIELDS + 1);
  if (names.length > MOST_FIELDS) throw tooManyColumns('contacts', 'fields');
  const header = [...Object.keys(CONTACT_COLUMNS), ...names.map((name) => FIELD_PREFIX + name)];
  const keys = Object.values(CONTACT_COLUMNS);
  const batches = readContacts(tx, tenantId, id, state);
  yield* renderCsv(header, batches, (contact) => [
    ...keys.map((key) => contact[key]),
    ...names.map((name) => (Object.hasOwn(contact.fields, name) ? contact.fields[name] : null)),
  ]);
}

function tooManyColumns(rows: string, columns: string): FieldsInvalid {
  const message = `cannot be csv: the ${rows} have more than ${MOST_FIELDS} different ${columns}; ask for ndjson`;
  return new FieldsInvalid([{ field: '?format', message }]);
}

async function* renderCsv<R>(
  header: readonly string[],
  batches: AsyncIterable<R[]>,
  cells: (row: R) => readonly unknown[],
): AsyncGenerator<string> {
  yield renderHeader(header);
  for await (const rows of batches) yield renderRows(rows.map(cells));
}

async function* renderNdjson(batches: AsyncIterable<object[]>): AsyncGenerator<string> {
  for await (const rows of batches) yield rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

/** Named after the campaign, as far as its name is of characters that a header and every file system take; of a test it says so. */
function fileOf({ name, test }: Campaign, what: string, as: ExportFormat): ExportFile {
  const words = name.normalize('NFKD').match(/[A-Za-z0-9]+/g) ?? ['campaign'];
  return {
    name: `${test ? 'test-' : ''}${words.join('-').slice(0, 100)}-${what}.${as}`,
    type: as === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson',
  };
}
