import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/root.js';

/** What a command did. */
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A `campanile` command under way. */
export interface Command {
  process: ChildProcess;
  /** What it has printed so far. */
  stdout(): string;
  outcome: Promise<Outcome>;
}

/** The program `campanile`, compiled from the sources as they are now. */
export interface Campanile {
  run(args: string[], options?: { env?: NodeJS.ProcessEnv; uid?: number; gid?: number }): Command;
  remove(): Promise<void>;
}

/** Compiles into a folder of its own below `dist`, from where package.json and node_modules are found as from `dist`. */
export async function compileCampanile(): Promise<Campanile> {
  await mkdir(join(packageRoot, 'dist'), { recursive: true });
  const directory = await mkdtemp(join(packageRoot, 'dist', 'test-'));
  const tsc = join(packageRoot, 'node_modules/typescript/bin/tsc');
  const options = ['-p', packageRoot, '--outDir', directory, '--noCheck', '--sourceMap', 'false'];
  await promisify(execFile)(process.execPath, [tsc, ...options]);
  await promisify(execFile)('chmod', ['-R', 'a+rX', directory]);
  return {
    run: (args, options = {}) => run([join(directory, 'src/cli/campanile.js'), ...args], options),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

function run(args: string[], options: { env?: NodeJS.ProcessEnv; uid?: number; gid?: number }): Command {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...options });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const outcome = new Promise<Outcome>((resolve) => {
    child.once('close', (code) => resolve({ code, ...said }));
  });
  return { process: child, stdout: () => said.stdout, outcome };
}
