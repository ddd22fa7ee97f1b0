import { parseArgs } from 'node:util';
import { CampanileError } from '../src/errors.js';
import { canHaveAsterisk } from '../src/lab/image.js';
import { FAULTS } from './faults/index.js';
import { render } from './report.js';
import { runChaos } from './run.js';

const HELP = `usage: npm run chaos -- [--minutes N] [--seed S] [--only kind,kind] [--asterisk 16|22] [--copy-minutes N]
       [--keep]

Campaigns of thousands of contacts through a real Asterisk and SIPp, while a plan that follows from the seed breaks one
thing after the other; in the end the far end's own log of INVITEs is held against the database. Exits with 1 on any
violation. --only takes kinds, or the beginnings of their names:

${FAULTS.map(({ kind }) => `  ${kind}`).join('\n')}
`;

function refuse(reason: string): never {
  console.error(`${reason}\n`);
  console.error(HELP);
  process.exit(2);
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    asterisk: { type: 'string', default: '22' },
    'copy-minutes': { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const minutes = Number(values.minutes);
const seed = Number(values.seed);
if (!(minutes > 0)) refuse(`--minutes must be a number above 0, not "${values.minutes}"`);
if (!Number.isSafeInteger(seed)) refuse(`--seed must be a whole number, not "${values.seed}"`);
const copyMinutes = values['copy-minutes'] === undefined ? undefined : Number(values['copy-minutes']);
if (copyMinutes !== undefined && !(copyMinutes > 0 && copyMinutes < 0.8 * minutes))
  refuse(`--copy-minutes must be above 0 and below 0.8 of --minutes, not "${values['copy-minutes']}"`);
const { asterisk } = values;
if (asterisk !== '16' && asterisk !== '22') refuse(`--asterisk must be 16 or 22, not "${asterisk}"`);
const wanted = values.only?.split(',').map((kind) => kind.trim());
const faults = FAULTS.filter(({ kind }) => !wanted || wanted.some((one) => kind.startsWith(one)));
const unknown = wanted?.find((one) => !FAULTS.some(({ kind }) => kind.startsWith(one)));
if (unknown !== undefined) refuse(`there is no kind of fault that begins with "${unknown}"`);
const reason = canHaveAsterisk();
if (reason) refuse(`no real Asterisk can be had here: ${reason}`);

const began = Date.now();
const log = (text: string) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(7)}  ${text}`);
const broken = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => broken.abort());
try {
  const { signal } = broken;
  const figures = await runChaos({
    minutes,
    seed,
    faults,
    asterisk,
    log,
    keep: values.keep,
    signal,
    copyMinutes,
  });
  console.log(render(figures));
  process.exit(figures.violations.length > 0 ? 1 : 0);
} catch (error) {
  console.error(error instanceof CampanileError ? error.message : error);
  // What is under way in the run's other parts ends with us.
  process.exit(2);
}
