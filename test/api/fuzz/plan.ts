import fc from 'fast-check';
import type { Operation, Schema } from './document.js';
import { resolve } from './document.js';
import { fitting, hostile, hostileText } from './values.js';

/** A request that is to be sent, before it is known in which world. */
export interface Plan {
  who: 'right' | 'viewer' | 'stranger' | 'admin' | 'nobody' | 'forged';
  /** What stands in the path's braces: an id of the world, of another tenant, none, or raw text. */
  id: 'own' | 'other' | 'unknown' | { raw: string };
  /** Raw pairs of the query. */
  query: string[];
  method: 'own' | 'head' | 'options';
  headers: Record<string, string>;
  body: BodyPlan;
}

export interface BodyPlan {
  type: string | null;
  /** Members in place of those of a body that would do, a value by the schema, or text. */
  from: { members: object } | { value: unknown } | { text: string };
  edits: Edit[];
  spoil: Spoil;
}

/** A change at one of the values of a body. */
export interface Edit {
  at: number;
  how: 'replace' | 'remove' | 'add';
  name: string;
  value: unknown;
}

/** What is done to the bytes. */
export type Spoil = 'none' | 'cut' | 'twice' | 'proto' | 'mark' | 'bytes' | 'wrapped' | 'deep';

/** Plans of requests of an operation: most of a request is right in most of them, so that they get far. */
export function plansOf(operation: Operation): fc.Arbitrary<Plan> {
  return fc.record({
    who: often<Plan['who']>('right', 30, 'viewer', 'stranger', 'admin', 'nobody', 'forged'),
    id: fc.oneof(
      { weight: 20, arbitrary: fc.constant<Plan['id']>('own') },
      { weight: 2, arbitrary: fc.constantFrom<Plan['id']>('other', 'unknown') },
      { weight: 2, arbitrary: rawId },
    ),
    query: queryOf(operation),
    method: often<Plan['method']>(
      'own',
      40,
      ...(operation.route.method === 'get' ? (['head'] as const) : []),
      'options',
    ),
    headers: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Record<string, string>>({}) },
      { weight: 1, arbitrary: headers },
    ),
    body: bodyOf(operation),
  });
}

function often<T>(usual: T, weight: number, ...others: T[]): fc.Arbitrary<T> {
  return fc.oneof(
    { weight, arbitrary: fc.constant(usual) },
    { weight: others.length, arbitrary: fc.constantFrom(...others) },
  );
}

const RAW = [
  ...[
    '%00',
    '%ff',
    '%',
    '%zz',
    '%E0%A4%A',
    '%ed%a0%80',
    '%2e%2e',
    '..%2f..',
    "'",
    '%27%20OR%201=1',
    '{id}',
    '%0d%0aX:1',
  ],
  ...[
    'null',
    'undefined',
    '__proto__',
    'constructor',
    '*',
    '0',
    '-1',
    '%F0%9F%94%94',
    ';',
    '%20',
    'start.js',
  ],
];
/** Half of a surrogate pair has no UTF-8. */
const encode = (text: string) => encodeURIComponent(Buffer.from(text).toString());

const rawId = fc
  .oneof(
    fc.constantFrom(...RAW, 'x'.repeat(4000)),
    hostileText.map((text) => encode(text).slice(0, 500)),
  )
  .map((raw): Plan['id'] => ({ raw: raw === '' || raw === '.' || raw === '..' ? '%2e' : raw }));

function queryOf({ parameters }: Operation): fc.Arbitrary<string[]> {
  const known = parameters.filter((parameter) => parameter.in === 'query' && parameter.name !== 'tenant_id');
  const pairs = known.map(({ name, schema }) => {
    const pair = (value: unknown) => `${name}=${encode(String(value)).slice(0, 3000)}`;
    return fc.oneof(
      { weight: 12, arbitrary: fc.constant<string[]>([]) },
      { weight: 4, arbitrary: fitting(schema).map((value) => [pair(value)]) },
      { weight: 2, arbitrary: hostileText.map((value) => [pair(value)]) },
      { weight: 1, arbitrary: fc.constantFrom(...RAW.slice(0, 6)).map((raw) => [`${name}=${raw}`]) },
      { weight: 1, arbitrary: fitting(schema).map((value) => [pair(value), pair(value)]) },
      { weight: 1, arbitrary: fc.constantFrom([`${name}[]=1`], [`${name}[a]=1`], [name], [`${name}=`]) },
    );
  });
  const unknown = fc.oneof(
    { weight: 30, arbitrary: fc.constant<string[]>([]) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(['__proto__=1'], ['constructor=1'], ['x'], ['&&&'], ['='], ['%=1'], ['a=%']),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ['tenant_id='],
        ['tenant_id=x'],
        ['tenant_id=00000000-0000-7000-8000-000000000000'],
      ),
    },
  );
  return fc.tuple(...pairs, unknown).map((all) => all.flat());
}

const HEADERS: readonly (readonly [string, string[]])[] = [
  ['accept', ['text/html', '*/*;q=0', '\xff', 'application/json;;;', 'x'.repeat(2000)]],
  ['accept-encoding', ['gzip;q=99', 'br, \x80', '']],
  ['content-encoding', ['gzip', 'br', 'identity', '\xff']],
  [
    'idempotency-key',
    ['a', '"a"', '"', '', 'x'.repeat(256), '\xe9', '"a", "b"', '01900000-0000-7000-8000-000000000001'],
  ],
  ['last-event-id', ['x', '1', '9999999999999999-0', '0-0', '-1', '\xff', '0x1-1', '1e3-0']],
  [
    'range',
    [
      'bytes=0-',
      'bytes=5-1',
      'bytes=-0',
      'bytes=99999999999999999999-',
      'bytes=0-0,1-1',
      'x',
      'bytes=-99999999',
    ],
  ],
  ['if-range', ['"x"']],
  ['if-none-match', ['*', '"x"']],
  ['x-forwarded-for', ['::1', 'x', '1.2.3.4, \xff', ',,,', '[::1]:80', `${'1.1.1.1,'.repeat(200)}`]],
  ['x-forwarded-proto', ['javascript', 'https, http']],
  ['x-http-method-override', ['DELETE']],
  ['upgrade', ['websocket', 'h2c']],
  ['expect', ['200-ok', '100-continue']],
  [
    'content-type',
    ['application/json; charset=\xff', 'application/json; charset="', ';', 'a/b/c', 'application/json;a'],
  ],
  ['cookie', ['a=b; __proto__=c']],
  ['te', ['trailers, x']],
  ['date', ['yesterday']],
];

const headers = fc
  .uniqueArray(fc.constantFrom(...HEADERS), { minLength: 1, maxLength: 3, selector: ([name]) => name })
  .chain((chosen) =>
    fc.record(Object.fromEntries(chosen.map(([name, values]) => [name, fc.constantFrom(...values)]))),
  );

function bodyOf({ body }: Operation): fc.Arbitrary<BodyPlan> {
  const types = Object.keys(body ?? {}).map((type) => type.replace('*', 'wav'));
  const json = resolve(body?.['application/json']?.schema ?? {});
  return fc.record({
    type: fc.oneof(
      { weight: 20, arbitrary: fc.constantFrom(types[0] ?? null, ...types) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          null,
          'text/plain',
          'application/x-www-form-urlencoded',
          'multipart/form-data',
        ),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'application/json',
          'APPLICATION/JSON; charset=UTF-8',
          'application/json; charset=utf-16',
        ),
      },
    ),
    from: fc.oneof(
      { weight: 6, arbitrary: membersOf(json).map((members) => ({ members })) },
      { weight: 3, arbitrary: fitting(json).map((value) => ({ value })) },
      { weight: 1, arbitrary: hostile.map((value) => ({ value })) },
      { weight: 1, arbitrary: hostileText.map((text) => ({ text })) },
    ),
    edits: fc.oneof(
      { weight: 3, arbitrary: fc.constant<Edit[]>([]) },
      { weight: 4, arbitrary: fc.array(edit, { minLength: 1, maxLength: 2 }) },
    ),
    spoil: often<Spoil>('none', 30, 'cut', 'twice', 'proto', 'mark', 'bytes', 'wrapped', 'deep'),
  });
}

/** Some members that fit. */
function membersOf({ properties = {} }: Schema): fc.Arbitrary<object> {
  const entries = Object.entries(properties);
  if (entries.length === 0) return fc.constant({});
  return fc
    .subarray(entries, { maxLength: Math.min(4, entries.length) })
    .chain((some) =>
      fc.record(Object.fromEntries(some.map(([name, schema]) => [name, fitting(schema)]))),
    ) as fc.Arbitrary<object>;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(60),
  how: fc.constantFrom('replace' as const, 'replace' as const, 'remove' as const, 'add' as const),
  name: fc.oneof(fc.constantFrom('constructor', 'toString', 'id', 'tenant_id', 'secret', ''), hostileText),
  value: hostile,
});
