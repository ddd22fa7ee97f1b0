import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseNumber } from '../../src/calls/number.js';
import { CampanileError } from '../../src/errors.js';
import { DIRECTIVE_KEYS, parseCallFile as readByUs, renderCallFile } from '../../src/spool/call-file.js';
import { callIdOfFile, fileNameOf } from '../../src/spool/name.js';
import { renderTemplate, type TemplateValues } from '../../src/spool/template.js';
import { parseTemplate } from '../../src/spool/template-file.js';
import { parseCallFile, type SpooledCall } from '../support/pbx-spool.js';
import { TEMPLATE_VALUES as VALUES } from './temp-spool.js';

// What goes into a call file is what Asterisk understands of it, or it is refused and says why; as Asterisk reads it, see
// test/support/pbx-spool.ts. A seeded share runs with the others, all of it with TEST_CASES=1000000.
const RUN = { numRuns: Number(process.env.TEST_CASES ?? 15_000), seed: 20261122 };
const MINUTES = 60_000;

/** What has a meaning to somebody, and what has none. */
// biome-ignore format: a table
const PIECES = [
  '\n', '\r', '\r\n', '\0', '\t', '\x01', '\x0b', '\x1f', '\x7f', ' ', '  ', '#', ' #', '\t#', ';', '\\', '\\;', '\\\\', ':', '=',
  '<', '>', '"', "'", '/', '@', '&', ',', '|', '-', '.', '(', ')', '[', ']', '%', '{', '}', '{number}', '{digits}', '{caller_id}', '{token}',
  '{ring_seconds}', '{Number}', '{}', '{{number}}', '$[1+1]',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of Asterisk's
  '${number}',
  '\nApplication: System', '\nSet: X=1', 'Retry: 1',
  'StartRetry: 1 1 (1)', '+12125550100', '0', '1', '42', '99999999999', 'x', 'abc', 'yes', 'no', 'x'.repeat(30), 'x'.repeat(79),
  'x'.repeat(500), 'é', '\u00a0', '\u2028', '\u202e', '\ufeff', '\ud800', '🕭',
];
const hostile = fc.array(fc.constantFrom(...PIECES), { maxLength: 5 }).map((pieces) => pieces.join(''));
const anything = fc.oneof(
  { weight: 4, arbitrary: hostile },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
);
const mostly = <T>(usual: fc.Arbitrary<T>, odd: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 12, arbitrary: usual }, { weight: 1, arbitrary: odd });

const anyCase = (word: string) =>
  fc
    .array(fc.boolean(), { minLength: 4, maxLength: 4 })
    .map((up) =>
      [...word].map((letter, i) => (up[i % 4] ? letter.toUpperCase() : letter.toLowerCase())).join(''),
    );
const blanks = fc.constantFrom('', ' ', ' ', ' ', '\t', '   ');
const behind = fc.constantFrom('', '', '', ' ', '\r', ' # why', '; why', '\t#');

/** A line that may be in a template, and perhaps is understood. */
const line = (key: string, value: fc.Arbitrary<string>) =>
  fc.tuple(anyCase(key), blanks, value, behind).map(([k, space, v, rest]) => `${k}:${space}${v}${rest}`);
const NEEDED = [
  ['Channel', 'PJSIP/{number}@{trunk}'],
  ['CallerID', '<{caller_id}>'],
  ['WaitTime', '{ring_seconds}'],
  ['MaxRetries', '0'],
  ['RetryTime', '864000'],
  ['Archive', 'yes'],
  ['Context', 'campanile-answered'],
  ['Extension', 's'],
  ['Priority', '1'],
  ['Set', '__CAMPANILE_CALL={call}'],
  ['Set', '__CAMPANILE_TOKEN={token}'],
  ['Set', '__CAMPANILE_AGI={agi}'],
] as const;
const needed = fc.tuple(
  ...NEEDED.map(([key, value]) =>
    fc.oneof(
      { weight: 60, arbitrary: fc.constant(`${key}: ${value}`) },
      { weight: 3, arbitrary: line(key, fc.constant(value)) },
      { weight: 1, arbitrary: line(key, anything) },
    ),
  ),
);
const extra = fc.oneof(
  line(
    'Set',
    fc
      .tuple(fc.constantFrom('A', '__B', 'CHANNEL(x)', 'CAMPANILE_CALL'), anything)
      .map(([name, value]) => `${name}=${value}`),
  ),
  line(
    'SetVar',
    anything.map((value) => `V=${value}`),
  ),
  line('Account', anything),
  line('Data', anything),
  line(
    'CallerID',
    anything.map((name) => `"${name}" <{number}>`),
  ),
  line('Codecs', fc.constantFrom('ulaw', 'alaw,ulaw')),
  hostile.map((text) => `# ${text}`),
  anything,
);
const template = fc
  .tuple(needed, fc.array(extra, { maxLength: 2 }), fc.constantFrom('\n', '\n', '\n', '\r\n'))
  .map(([lines, more, end]) => [...lines, ...more].join(end) + end);

const contact = fc
  .tuple(
    mostly(fc.constantFrom('+12125550100', '+390212345678', '212 555 0177'), anything),
    fc.constantFrom(null, 'US', 'IT'),
  )
  .map(([written, region]) => parseNumber(written, region) ?? written);
const values: fc.Arbitrary<TemplateValues> = fc.record({
  number: contact,
  trunk: mostly(fc.constantFrom('carrier_1', 'x'.repeat(64), '-'), anything),
  callerId: mostly(fc.constantFrom(null, '+15550001111'), anything),
  ringSeconds: mostly(
    fc.constantFrom(30, 1, 999),
    fc.oneof(fc.double(), fc.constantFrom(0, -1, 1000, 1e21, Number.NaN)),
  ),
  call: mostly(fc.constant(VALUES.call), anything),
  token: mostly(fc.constant(VALUES.token), anything),
  agi: mostly(
    fc.constantFrom(VALUES.agi, 'agi://[::1]:1'),
    anything.map((text) => `agi://127.0.0.1:1${text}`),
  ),
  reports: mostly(
    fc.constant(VALUES.reports),
    anything.map((text) => `/var${text}`),
  ),
});

/** Fails unless the error is one that tells what to do. */
function clear(error: unknown, ...codes: string[]): void {
  if (!(error instanceof CampanileError) || !codes.includes(error.code)) throw error;
}

/** What a template's line comes to, by a way of its own; null where it is left out. */
function filled(value: string, of: TemplateValues): string | null {
  const { callerId, ringSeconds, ...rest } = of;
  const text: Record<string, string | null> = {
    ...rest,
    digits: of.number.slice(1),
    caller_id: callerId,
    ring_seconds: String(ringSeconds),
  };
  let result = '';
  for (let at = 0; at < value.length; ) {
    const end = value.indexOf('}', at);
    const name = value[at] === '{' && value[at - 1] !== '$' ? value.slice(at + 1, end) : '';
    if (end > at && Object.hasOwn(text, name)) {
      if (text[name] === null) return null;
      result += text[name];
      at = end + 1;
    } else result += value[at++];
  }
  return result;
}

const plainKey = (key: string) => (key === 'setvar' ? 'set' : key);
const pairs = (call: SpooledCall) => call.directives.map(({ key, value }) => [plainKey(key), value]);

/** What may stand in a file for each value, wherever it stands. */
const SHAPES: [name: string, of: (values: TemplateValues) => string | null, shape: RegExp][] = [
  ['number', (v) => v.number, /^[+][0-9]{7,15}$/],
  ['digits', (v) => v.number, /^[+][0-9]{7,15}$/],
  ['caller_id', (v) => v.callerId, /^[+][0-9]{7,15}$/],
  ['trunk', (v) => v.trunk, /^[0-9A-Za-z_-]{1,64}$/],
  ['ring_seconds', (v) => String(v.ringSeconds), /^[0-9]{1,3}$/],
  ['call', (v) => v.call, /^[0-9a-f.-]{73}$/],
  ['token', (v) => v.token, /^[0-9A-Za-z_-]{16,128}$/],
  ['agi', (v) => v.agi, /^agi:[0-9A-Za-z/.:[\]-]+$/],
  ['reports', (v) => v.reports, /^[0-9A-Za-z_./-]+$/],
];

/** What the values mean to whoever wrote them, beside what Asterisk made of them. */
function expectMeant(read: SpooledCall): void {
  const last = (key: string) => read.directives.findLast((d) => d.key === key)?.value;
  const [, name, number] = /^(?:"?([^"<]*?)"? ?<(.*)>)$/.exec(last('callerid') ?? '') ?? [
    null,
    '',
    last('callerid') ?? '',
  ];
  const meant = {
    channel: last('channel'),
    caller: [name, number],
    extension: last('extension') ?? '',
    context: last('context') ?? '',
    application: last('application') ?? '',
    data: last('data') ?? '',
    account: last('account') ?? '',
    times: [
      last('waittime') ?? '45',
      last('retrytime') ?? '300',
      last('maxretries') ?? '0',
      last('priority') ?? '1',
    ],
    variables: read.directives.filter((d) => d.key === 'set').map((d) => d.value),
    retries: 0,
  };
  const { tech, dest, extension, context, application, data, account, variables, retries } = read;
  expect({
    channel: `${tech}/${dest}`,
    caller: [read.callerName, read.callerNumber],
    ...{ extension, context, application, data, account, retries },
    times: [read.waitTime, read.retryTime, read.maxRetries, read.priority].map(String),
    variables: variables.map(([of, value]) => `${of}=${value}`),
  }).toEqual(meant);
}

it(
  'of any template and any contact are what the template says, or refused',
  () => {
    let written = 0;
    let templates = 0;
    fc.assert(
      fc.property(template, values, (text, of) => {
        const asWritten = parseCallFile(Buffer.from(text));
        let checked: ReturnType<typeof parseTemplate>;
        try {
          checked = parseTemplate('t', 't.call', text);
        } catch (error) {
          expect((error as Error).message).toMatch(/^t\.call(:\d+)?: ./);
          return clear(error, 'template_invalid');
        }
        templates += 1;
        // Of a number there may be a placeholder.
        expect(asWritten.complaints.filter(({ what }) => what !== 'no number')).toEqual([]);
        // A template that is taken can be written for every call.
        expect(() => renderTemplate(checked, VALUES)).not.toThrow();
        let file: string;
        try {
          file = renderTemplate(checked, of);
        } catch (error) {
          return clear(error, 'template_value_refused', 'call_file_refused');
        }
        written += 1;
        const read = parseCallFile(Buffer.from(file));
        const meant = pairs(asWritten).flatMap(([key, value]) => {
          const now = filled(value!, of);
          return now === null ? [] : [[key, now]];
        });
        expect(pairs(read)).toEqual(meant);
        for (const [name, given, shape] of SHAPES) {
          const value = given(of);
          const named = asWritten.directives.some(
            (d) =>
              filled(d.value, { ...VALUES, callerId: null }) !== d.value && d.value.includes(`{${name}}`),
          );
          if (named && value !== null) expect([name, value]).toEqual([name, expect.stringMatching(shape)]);
        }
        expect([read.complaints, read.cut, read.dials, read.archive, read.earlyMedia]).toEqual([
          [],
          [],
          true,
          true,
          false,
        ]);
        expectMeant(read);
      }),
      RUN,
    );
    expect([templates / RUN.numRuns > 0.3, written / RUN.numRuns > 0.15]).toEqual([true, true]);
  },
  20 * MINUTES,
);

it(
  'of any values alone say just these, or are refused',
  () => {
    const some = fc.oneof(
      anything,
      fc.integer({ min: 20, max: 90 }).map((length) => 'x'.repeat(length)),
      fc.constantFrom('PJSIP/1@a', '"A" <1>', 'A=b;c#d\\', '7', 's'),
      fc.string({ unit: fc.constantFrom(...'a;\\#:="<'), maxLength: 12 }),
    );
    const directive = fc.record({ key: fc.constantFrom(...DIRECTIVE_KEYS), value: some });
    let written = 0;
    fc.assert(
      fc.property(fc.array(directive, { minLength: 1, maxLength: 3 }), (directives) => {
        let file: string;
        try {
          file = renderCallFile(directives);
        } catch (error) {
          return clear(error, 'call_file_refused');
        }
        written += 1;
        const read = parseCallFile(Buffer.from(file));
        expect(pairs(read)).toEqual(directives.map(({ key, value }) => [key.toLowerCase(), value]));
        expect([read.complaints, read.cut]).toEqual([[], []]);
        // Our own reader, which reads them back out of the spool, sees the same.
        expect(readByUs(file).directives).toEqual(directives);
      }),
      RUN,
    );
    expect(written / RUN.numRuns).toBeGreaterThan(0.1);
  },
  20 * MINUTES,
);

it(
  'have names that are no path, and say whose they are',
  () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anything,
          anything.map((text) => fileNameOf(VALUES.call) + text),
          anything.map((text) => fileNameOf(text)),
        ),
        (name) => {
          const of = callIdOfFile(name);
          if (of !== null)
            expect([name, /^[0-9a-f.-]{73}\.call$/.test(name)]).toEqual([fileNameOf(of), true]);
        },
      ),
      { ...RUN, numRuns: Math.min(RUN.numRuns, 100_000) },
    );
    expect(callIdOfFile(fileNameOf(VALUES.call))).toBe(VALUES.call);
  },
  20 * MINUTES,
);
