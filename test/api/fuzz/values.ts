import fc from 'fast-check';
import { resolve, type Schema } from './document.js';

/** What stands in values for ids that are known only when the request is sent; `placed` puts them there, and what is deep or many. */
export const OWN_IDS = [
  ...['trunkId', 'messageId', 'flowId', 'listId', 'webhookId', 'destinationId', 'campaign', 'id'],
].map((name) => `<${name}>`);

const SQL = ["'; DROP TABLE tenants; --", "' OR '1'='1", '$1', '\\', "E'\\x00'"];
const UNSTORABLE = ['\0', 'a\0b', '\ud800', 'x\udfff', '\udc00\ud800'];
const UNICODE = ['\u202egnp.exe', '\ufeff', '\u2028', 'é'.normalize('NFD'), '🔔', 'ﷺ'.repeat(200), '\uffff'];
const INJECTED = ['\r\nX-Bad: 1', '../../etc/passwd', '%00', '{{7*7}}', '<script>', '=1+1', '*', '$(id)'];
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'length', ''];
const LONG = ['a'.repeat(300), 'a'.repeat(70_000), '{'.repeat(3000), '"'.repeat(3000), '\\'.repeat(3000)];
/** What only seems to be a time, a date, a number of a phone... */
const NEARLY = [
  ...['0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z', '2026-02-30T00:00:00Z', '2026-12-31T23:59:60Z'],
  ...[
    '+275760-09-13T00:00:00Z',
    '2026-11-22T12:00:00.123456789123Z',
    '2026-11-22',
    '0000-00-00',
    '9999-12-31',
  ],
  ...['+1', '+999999999999999', '00', '1e5', '0x10', 'Infinity', 'NaN', ' 5', '5 ', '1_000', '٣'],
  ...['https://[::1]/', 'https://a@b:99999/', 'http://', '//x', 'file:///etc/passwd', 'https://xn--/'],
  ...[
    '00:00-24:00',
    '25:00-26:00',
    '09:00-09:00',
    'Mars/Olympus',
    'contact',
    'XX',
    '00000000-0000-0000-0000-000000000000',
  ],
];
/** Words that some member takes: a schema does not say of each string what it means. */
const WORDS = [
  ...[
    '+4930100001',
    '+14155550123',
    'DE',
    'US',
    'Europe/Rome',
    'UTC',
    'contact',
    '09:00-12:30',
    '22:00-06:00',
  ],
  ...[
    '2026-12-25',
    '2026-11-20',
    '1h',
    '5m*3',
    '1m,5m*2,1h*3',
    'direct',
    'carrier1',
    'en',
    'sip.example.com',
    'busy',
  ],
];

const hostileString = fc.oneof(
  fc.constantFrom(...SQL, ...UNSTORABLE, ...UNICODE, ...INJECTED, ...NAMES, ...LONG, ...NEARLY, ...WORDS),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const hostileNumber = fc.oneof(
  fc.constantFrom(
    -1,
    0,
    -0,
    1,
    0.5,
    1e-320,
    2 ** 31 - 1,
    2 ** 31,
    2 ** 32,
    2 ** 53,
    2 ** 63,
    1e21,
    1e308,
    -1e308,
  ),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** What nobody expects where it stands. */
export const hostile: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 4, arbitrary: hostileString },
  { weight: 3, arbitrary: hostileNumber },
  {
    weight: 2,
    arbitrary: fc.constantFrom(null, true, false, [], {}, [null], [[]], { '': {} }, { number: {} }),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 4 }) },
  { weight: 1, arbitrary: fc.array(hostileString, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.dictionary(hostileString, hostileNumber, { maxKeys: 4 }) },
  { weight: 1, arbitrary: fc.constantFrom(...OWN_IDS) },
  { weight: 1, arbitrary: fc.integer({ min: 10, max: 3000 }).map((levels) => `<deep ${levels}>`) },
  { weight: 1, arbitrary: fc.integer({ min: 10, max: 5000 }).map((count) => `<many ${count}>`) },
);

export const hostileText = hostileString;

const made = new Map<Schema, fc.Arbitrary<unknown>[]>();

/** Values that fit a schema, as far as it says what fits. To make what makes them takes long for a flow. */
export function fitting(given: Schema, depth = 0): fc.Arbitrary<unknown> {
  const schema = resolve(given);
  const byDepth = made.get(schema) ?? [];
  made.set(schema, byDepth);
  byDepth[depth] ??= make(schema, depth);
  return byDepth[depth];
}

function make(schema: Schema, depth: number): fc.Arbitrary<unknown> {
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return fc.oneof(...choices.map((choice) => fitting(choice, depth + 1)));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const types = [schema.type ?? []].flat();
  if (types.length > 1) return fc.oneof(...types.map((type) => make({ ...schema, type }, depth)));
  switch (types[0]) {
    case 'string':
      return fittingString(schema);
    case 'integer':
      return fittingInteger(schema);
    case 'number':
      return fc.oneof(
        fittingInteger(schema),
        fc.double({ min: schema.minimum ?? -1e9, max: schema.maximum ?? 1e9, noNaN: true }),
      );
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array': {
      const { minItems = 0, maxItems = 4 } = schema;
      const most = Math.max(minItems, Math.min(maxItems, depth > 1 ? 2 : 4));
      return fc.array(schema.items ? fitting(schema.items, depth + 1) : hostile, {
        minLength: minItems,
        maxLength: most,
      });
    }
    case 'object':
      return fittingObject(schema, depth);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function fittingInteger({ minimum = -(2 ** 31), maximum = 2 ** 31 - 1 }: Schema): fc.Arbitrary<number> {
  const [min, max] = [Math.ceil(Math.max(minimum, -(2 ** 31))), Math.floor(Math.min(maximum, 2 ** 31 - 1))];
  return fc.oneof(fc.constantFrom(min, max), fc.integer({ min, max: Math.max(min, max) }));
}

function fittingString({
  format,
  pattern,
  example,
  minLength = 0,
  maxLength = 60,
}: Schema): fc.Arbitrary<string> {
  if (format === 'uuid') return fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...OWN_IDS) }, fc.uuid());
  if (format === 'date-time')
    return fc.oneof(time, fc.constantFrom('0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z'));
  if (format === 'date') return time.map((text) => text.slice(0, 10));
  if (format === 'uri')
    return fc.constantFrom('https://203.0.113.7/x', 'https://crm.example.com:8443/a?b=c#d');
  if (pattern !== undefined) return matching(pattern);
  const words = typeof example === 'string' ? [example, ...WORDS] : WORDS;
  return fc.oneof(
    fc.constantFrom(...words),
    fc.string({ unit: 'grapheme', minLength, maxLength: Math.min(maxLength, Math.max(minLength, 30)) }),
    fc.constant('x'.repeat(Math.min(maxLength, 10_000))),
  );
}

const time = fc
  .date({ min: new Date('1800-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  .map((date) => date.toISOString());

function matching(pattern: string): fc.Arbitrary<string> {
  // Of look-ahead fast-check makes nothing.
  return pattern.includes('(?=') ? fc.constantFrom(...WORDS) : fc.stringMatching(new RegExp(pattern));
}

function fittingObject(schema: Schema, depth: number): fc.Arbitrary<object> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const known = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, fitting(each, depth + 1)])),
    { requiredKeys: required },
  ) as fc.Arbitrary<object>;
  if (typeof additionalProperties !== 'object') return known;
  const names = fc.oneof(fc.stringMatching(/^[a-z][a-z0-9_]{0,9}$/), hostileString);
  const others = fc.dictionary(names, fitting(additionalProperties, depth + 1), { maxKeys: 2 });
  return fc.tuple(known, others).map(([a, b]) => ({ ...b, ...a }));
}
