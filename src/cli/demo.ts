import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { loadConfig } from '../config.js';
import { type DemoOutcome, runDemo } from '../demo/demo.js';
import { KINDS } from '../demo/kinds.js';
import { CampanileError } from '../errors.js';
import { packageRoot } from '../root.js';
import { createShutdown } from '../shutdown.js';
import { createTerminal, type Terminal } from '../terminal.js';

const HELP = `usage: campanile demo [--pbx asterisk|sandbox] [--contacts 200] [--ports 20] [--stay]

Dials contacts of every kind (who answer, are busy, do not answer, reject, do not exist, ...) through a real Asterisk
with SIPp as the far end, all on this machine, and shows how each ended. On Debian or Ubuntu as root the Asterisk is made
from Debian's packages, into a folder that later runs reuse; elsewhere the sandbox PBX of Campanile takes its place.

  --pbx       asterisk: fail when no real one can be had; sandbox: do not try
  --contacts  how many, ${KINDS.length} at least
  --ports     how many calls at once
  --stay      leave the API up when all is over, until Ctrl-C

Exit code: 0 when each contact ended as its far end dictates and the far end saw as many INVITEs as there are attempts,
else 1; 130 after Ctrl-C.
`;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SHOWN_DIFFERENCES = 8;

/** `campanile demo`: resolves with the exit code when everything that it started is gone again. */
export async function demo(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    process.stdout.write(HELP);
    return 0;
  }
  const { cacheDir } = loadConfig({ ...process.env, DATABASE_URL: '' });
  const terminal = createTerminal(process.stdout, process.env);
  const aside = (text: string) => void process.stderr.write(text);
  const shutdown = createShutdown();
  const interrupt = new AbortController();
  let exitCode = 0;
  const onSignal = (name: (typeof SIGNALS)[number]) => {
    exitCode ||= 128 + constants.signals[name];
    interrupt.abort(new CampanileError('interrupted', `ended by ${name}`));
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  try {
    const outcome = await runDemo(
      { ...options, cacheDir },
      { terminal, aside, shutdown, signal: interrupt.signal },
    );
    const passed = await sayVerdict(outcome, terminal);
    if (options.stay) await stay(outcome, terminal, interrupt.signal);
    else sayWhereToLook(terminal);
    return passed ? 0 : 1;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    terminal.write('\nstopping and cleaning up ...\n');
    return exitCode;
  } finally {
    await shutdown.stop();
    for (const name of SIGNALS) process.off(name, onSignal);
  }
}

function readOptions(args: string[]): {
  pbx: 'asterisk' | 'sandbox' | null;
  contacts: number;
  ports: number;
  stay: boolean;
} | null {
  const { values } = parseArgs({
    args,
    options: {
      pbx: { type: 'string' },
      contacts: { type: 'string', default: '200' },
      ports: { type: 'string', default: '20' },
      stay: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return null;
  const { pbx = null } = values;
  if (pbx !== null && pbx !== 'asterisk' && pbx !== 'sandbox') {
    throw new CampanileError('usage', `--pbx must be asterisk or sandbox, not "${pbx}"`);
  }
  return {
    pbx,
    contacts: wholeNumber('--contacts', values.contacts, KINDS.length, 10_000),
    ports: wholeNumber('--ports', values.ports, 1, 1_000),
    stay: values.stay,
  };
}

function wholeNumber(flag: string, text: string, least: number, most: number): number {
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least && number <= most) return number;
  throw new CampanileError('usage', `${flag} must be a whole number from ${least} to ${most}, not "${text}"`);
}

/** Says whether all ended as it had to, with the first differences and the logs if not. Returns whether it did. */
async function sayVerdict(outcome: DemoOutcome, { write, paint }: Terminal): Promise<boolean> {
  const { differences, logs } = outcome;
  if (differences.length === 0) {
    const good = paint('green', 'ok');
    write(`${good}  Each contact ended as its far end dictates, with one INVITE per attempt.\n`);
    return true;
  }
  await outcome.keepLogs();
  const number = `${differences.length} difference${differences.length === 1 ? '' : 's'}`;
  write(`${paint('red', 'FAILED')}  ${number} between what had to be and what was:\n`);
  for (const difference of differences.slice(0, SHOWN_DIFFERENCES)) write(`  ${difference}\n`);
  if (differences.length > SHOWN_DIFFERENCES) write(`  and ${differences.length - SHOWN_DIFFERENCES} more\n`);
  write(`The logs are in ${logs}\n`);
  return false;
}

function sayWhereToLook({ write }: Terminal): void {
  write('\nWhere to look\n');
  write('  npm run demo -- --stay   the same, and the API with these results stays up\n');
  write('  npm start                Campanile beside an Asterisk of yours: its API on port 8088,\n');
  write('                           documentation on /docs, OpenAPI on /openapi.json\n');
  if (existsSync(join(packageRoot, 'README.md')))
    write('  README.md                how to connect your Asterisk\n');
}

async function stay({ url, campaign }: DemoOutcome, { write }: Terminal, signal: AbortSignal): Promise<void> {
  write(`\nThe API stays up until Ctrl-C: ${url}\n`);
  write(`  documentation   ${url}/docs\n`);
  write(`  OpenAPI         ${url}/openapi.json\n\n`);
  write(`curl -H 'Authorization: Bearer ${campaign.token}' ${url}${campaign.path}\n`);
  if (!signal.aborted) await once(signal, 'abort');
  write('\nstopping and cleaning up ...\n');
}
