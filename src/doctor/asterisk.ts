import { join } from 'node:path';
import { askAsterisk } from '../asterisk-console.js';
import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import { packageRoot } from '../root.js';
import { startedAt } from '../spool/asterisk-run.js';
import { type Finding, failed, note, ok, skipped } from './finding.js';

/** What dialplan/campanile.conf needs of a PBX, in the order in which its absence is told. */
export const MODULES = [
  'pbx_spool',
  'res_agi',
  'app_stack',
  'app_playback',
  'func_channel',
  'func_hangupcause',
  'func_cdr',
  'func_env',
  'func_dialplan',
  'func_logic',
  'format_wav',
];

/** What campaigns with `machine_detection` need besides. */
const MACHINE_MODULES = ['app_amd', 'app_waitforsilence'];

const CONTEXTS = [
  'campanile-answered',
  'campanile-inbound',
  'campanile-hangup',
  'campanile-report',
  'campanile-doctor',
];

const dialplanFile = join(packageRoot, 'dialplan', 'campanile.conf');

/** The commands that put our dialplan into an Asterisk. */
export const INCLUDE_DIALPLAN = [
  `cp ${dialplanFile} /etc/asterisk/ && echo '#include campanile.conf' >> /etc/asterisk/extensions.conf`,
  "asterisk -rx 'dialplan reload'",
] as const;

/** What was found out about the PBX. Null where it could not be asked. */
export interface PbxState {
  findings: Finding[];
  runs: boolean;
  spoolModule: boolean | null;
  dialplan: boolean | null;
}

/** Whether Asterisk runs, has what the dialplan needs, and has the dialplan. */
export async function checkAsterisk({ asteriskRunDir }: Pick<Config, 'asteriskRunDir'>): Promise<PbxState> {
  const started = await startedAt(asteriskRunDir);
  if (!started) {
    const finding = failed(
      'Asterisk',
      `it does not run: there is no asterisk.pid or asterisk.ctl in ${asteriskRunDir}`,
      'systemctl start asterisk',
      `if it does run, CAMPANILE_ASTERISK_RUN must name its run directory: asterisk -rx 'core show settings' | grep -i 'run dir'`,
    );
    return { findings: [finding, ...notAsked('Asterisk does not run')], ...nothingKnown, runs: false };
  }
  try {
    const version = firstLine(await askAsterisk(asteriskRunDir, 'core show version'));
    const running = ok('Asterisk', `${version.split(' built')[0]} runs since ${started.toISOString()}`);
    const modules = checkModules(await askAsterisk(asteriskRunDir, 'module show'));
    const dialplan = await checkDialplan(asteriskRunDir);
    return {
      findings: [running, ...modules.findings, dialplan],
      runs: true,
      spoolModule: modules.spoolModule,
      dialplan: dialplan.result === 'ok',
    };
  } catch (error) {
    return unasked(error, asteriskRunDir, started);
  }
}

const nothingKnown = { spoolModule: null, dialplan: null };

/** Asterisk left traces of a start, but does not answer. */
function unasked(error: unknown, runDir: string, started: Date): PbxState {
  const code = ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ECONNREFUSED') {
    const finding = failed(
      'Asterisk',
      `it does not run: it started at ${started.toISOString()} and died since, leaving its files in ${runDir}`,
      'systemctl restart asterisk',
    );
    return { findings: [finding, ...notAsked('Asterisk does not run')], ...nothingKnown, runs: false };
  }
  const running = ok('Asterisk', `runs since ${started.toISOString()}, by its files in ${runDir}`);
  const why = `${messageOf(error)}; the test call tells`;
  return { findings: [running, ...notAsked(why)], ...nothingKnown, runs: true };
}

function notAsked(why: string): Finding[] {
  return ['module pbx_spool', 'other modules', 'machine detection', 'dialplan'].map((step) =>
    skipped(step, why),
  );
}

/** `table` is what `module show` prints: a line per module, with "Running" or "Not Running" in it. */
export function checkModules(table: string): { findings: Finding[]; spoolModule: boolean } {
  const running = new Set(
    table.split('\n').flatMap((line) => {
      const name = /^(\w+)\.so\s/.exec(line)?.[1];
      return name && !line.includes('Not Running') ? [name] : [];
    }),
  );
  const spoolModule = running.has('pbx_spool');
  const spool = spoolModule
    ? ok('module pbx_spool', 'is loaded')
    : failed(
        'module pbx_spool',
        'is not loaded: Asterisk does not look at call files',
        ...load(['pbx_spool']),
      );
  const missing = MODULES.slice(1).filter((name) => !running.has(name));
  const others =
    missing.length === 0
      ? ok('other modules', `all ${MODULES.length - 1} that the dialplan needs are loaded`)
      : failed('other modules', `not loaded: ${missing.join(', ')}`, ...load(missing));
  const unheard = MACHINE_MODULES.filter((name) => !running.has(name));
  const machines =
    unheard.length === 0
      ? ok('machine detection', `${MACHINE_MODULES.join(' and ')} are loaded`)
      : note(
          'machine detection',
          `not loaded: ${unheard.join(', ')}; a campaign with machine_detection takes whoever answers for a person, or leaves no message`,
          ...load(unheard),
        );
  return { findings: [spool, others, machines], spoolModule };
}

function load(modules: readonly string[]): string[] {
  const commands = modules.map((name) => `asterisk -rx 'module load ${name}.so'`);
  return [
    commands.join('; '),
    'so that it stays: no "noload" line for it in /etc/asterisk/modules.conf, or a "load" line with autoload=no',
  ];
}

async function checkDialplan(runDir: string): Promise<Finding> {
  const missing: string[] = [];
  for (const context of CONTEXTS) {
    const shown = await askAsterisk(runDir, `dialplan show ${context}`);
    if (!shown.includes(`Context '${context}'`)) missing.push(context);
  }
  if (missing.length === 0) return ok('dialplan', 'campanile.conf is included');
  const what =
    missing.length === CONTEXTS.length
      ? 'campanile.conf is not included'
      : 'an old campanile.conf is included';
  return failed('dialplan', `${what}: there is no context ${missing.join(', ')}`, ...INCLUDE_DIALPLAN);
}

function firstLine(text: string): string {
  return text.split('\n').find((line) => line.trim() !== '') ?? '';
}
