import { accessSync, constants } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Config, loadConfig } from '../config.js';
import { messageOf } from '../errors.js';
import { packageRoot } from '../root.js';
import { openSpool, type Spool } from '../spool/directories.js';
import { loadTemplates } from '../spool/template-file.js';
import { type Finding, failed, note, ok, skipped } from './finding.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether this is a Node.js that package.json allows. */
export async function checkNode(): Promise<Finding> {
  const { engines } = JSON.parse(await readFile(join(packageRoot, 'package.json'), 'utf8'));
  const [major = 0, minor = 0] = String(engines.node).match(/\d+/g)!.map(Number);
  const [ours = 0, oursMinor = 0] = process.versions.node.split('.').map(Number);
  if (ours > major || (ours === major && oursMinor >= minor)) return ok('Node.js', process.version);
  return failed(
    'Node.js',
    `${process.version} is too old`,
    `install Node.js ${major}.${minor} or newer: https://nodejs.org`,
  );
}

/** Reads the configuration; null when it is wrong, and then nothing else can be checked. */
export function checkConfig(env: Environment): { finding: Finding; config: Config | null } {
  try {
    const config = loadConfig(env);
    const given = Object.keys(env).filter((name) => /^(CAMPANILE_|DATABASE_URL$)/.test(name) && env[name]);
    const how =
      given.length === 0 ? 'nothing is set, so all is as by default' : `set: ${given.toSorted().join(', ')}`;
    return { finding: ok('configuration', how), config };
  } catch (error) {
    const sentences = messageOf(error)
      .split('\n')
      .map((line) => line.trim());
    const [first = '', ...rest] = sentences;
    return {
      finding: failed('configuration', first.replace(/:$/, ''), ...rest, 'see docs/configuration.md'),
      config: null,
    };
  }
}

/** Whether the templates of call files can be used. */
export async function checkTemplates({ templatesDir }: Config): Promise<Finding> {
  try {
    const names = [...(await loadTemplates(templatesDir)).keys()];
    return ok('templates', names.toSorted().join(', '));
  } catch (error) {
    return failed('templates', messageOf(error), 'correct that file, or remove it');
  }
}

/** Whether the spool can be used; `openSpool` makes what is missing, outgoing/ excepted. */
export async function checkSpool(config: Config): Promise<{ findings: Finding[]; spool: Spool | null }> {
  const same = 'one filesystem';
  try {
    const spool = await openSpool({
      spool: config.spoolDir,
      owner: config.spoolOwner,
      mode: config.spoolMode,
      asteriskRun: config.asteriskRunDir,
    });
    const owner = spool.owner
      ? `call files are given to ${spool.owner.uid}:${spool.owner.gid}`
      : 'call files stay ours';
    const moved = ok(same, 'call files can be moved between all directories of the spool');
    return { findings: [ok('spool', `${spool.root}; ${owner}`), moved], spool };
  } catch (error) {
    const [problem = '', command] = messageOf(error).split('; repair it with: ');
    const remedy = command === undefined ? [] : [command];
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    const findings =
      cause?.code === 'EXDEV'
        ? [ok('spool', config.spoolDir), failed(same, problem, ...remedy)]
        : [
            failed(
              'spool',
              problem,
              ...remedy,
              `if Asterisk's spool is elsewhere: set CAMPANILE_SPOOL to what asterisk -rx 'core show settings' calls its spool directory`,
            ),
            skipped(same, 'the spool cannot be used'),
          ];
    return { findings, spool: null };
  }
}

// What each is for, here and now: nothing needs them to start.
const OPTIONAL: readonly [program: string, use: string][] = [
  [
    'ffmpeg',
    'to take messages in any other format than WAV files of 8 kHz, mono, 16 bit, and for all that is spoken: apt-get install ffmpeg',
  ],
  [
    'espeak-ng',
    'for messages and flows of text (apt-get install espeak-ng), unless CAMPANILE_SPEECH_COMMAND names another engine',
  ],
  [
    'debootstrap',
    'for "npm run demo" and the tests, which install it themselves on Debian and Ubuntu; SIPp comes with it',
  ],
];

/** The programs that help but need not be there, as far as they are missing from `path` (PATH). */
export function checkOptional(path: string): Finding[] {
  const directories = [...path.split(delimiter), '/usr/sbin', '/sbin'];
  const isThere = (name: string) => directories.some((directory) => isExecutable(join(directory, name)));
  const missing = OPTIONAL.filter(([program]) => !isThere(program));
  return missing.map(([program, use]) => note('optional', `${program} is not installed: ${use}`));
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
