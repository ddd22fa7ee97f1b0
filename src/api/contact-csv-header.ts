import { Unreadable } from './contact-rows.js';
import { FIELD_PREFIX, isExport, unguard } from './csv.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** The columns beside `number` that are no fields. An empty cell of one says nothing. */
const OWN = ['time_zone', 'priority', 'consent_basis', 'consent_source', 'consent_at'] as const;

/** Which column is what. */
export interface Header {
  length: number;
  number: number;
  /** Where the other columns of OWN are; -1 where there is none. */
  own: Readonly<Record<(typeof OWN)[number], number>>;
  /** In an export an empty cell is a field that the contact has not. */
  isExport: boolean;
  fields: readonly (readonly [name: string, at: number])[];
}

/** Reads a header row. Throws a FieldsInvalid for one that does not do. */
export function checkHeader(columns: string[]): Header {
  const errors: FieldError[] = [];
  if (!columns.includes('number')) {
    const has = columns.map((name) => `\`${name.slice(0, 64)}\``).slice(0, 64);
    errors.push({
      field: '/',
      message: `the header row has no column \`number\`; its columns are ${has.join(', ')}`,
    });
  }
  for (const column of repeated(columns)) {
    errors.push({ field: '/', message: `the header row has the column \`${column}\` twice` });
  }
  if (errors.length > 0) throw new FieldsInvalid(errors);
  return {
    length: columns.length,
    number: columns.indexOf('number'),
    own: Object.fromEntries(OWN.map((name) => [name, columns.indexOf(name)])) as Header['own'],
    isExport: isExport(columns),
    fields: fieldsOf(columns),
  };
}

function repeated(names: readonly string[]): Set<string> {
  const seen = new Set<string>();
  return new Set(names.filter((name) => seen.size === seen.add(name).size));
}

/** Which columns are fields. An export has others of its own, and names its fields by a prefix. */
function fieldsOf(columns: readonly string[]): (readonly [name: string, at: number])[] {
  const named = columns.map((name, at) => [name, at] as const);
  if (!isExport(columns))
    return named.filter(([name]) => name !== 'number' && !(OWN as readonly string[]).includes(name));
  return named
    .filter(([name]) => name.startsWith(FIELD_PREFIX))
    .map(([name, at]) => [name.slice(FIELD_PREFIX.length), at] as const);
}

/** A contact as it stands in a row, not checked yet. */
export function contactOf(header: Header, values: readonly string[]): unknown {
  if (values.length !== header.length) {
    return new Unreadable(`has ${values.length} values where the header row has ${header.length}`);
  }
  const fields: Record<string, unknown> = {};
  for (const [name, at] of header.fields) {
    const value = unguard(values[at]!);
    if (!header.isExport || value !== '') fields[name] = value;
  }
  const number = unguard(values[header.number]!);
  const own = (name: (typeof OWN)[number]) => unguard(values[header.own[name]] ?? '') || undefined;
  const priority = own('priority');
  return {
    number,
    time_zone: own('time_zone'),
    priority: priority !== undefined && /^\d+$/.test(priority) ? Number(priority) : priority,
    consent_basis: own('consent_basis'),
    consent_source: own('consent_source'),
    consent_at: own('consent_at'),
    fields,
  };
}
