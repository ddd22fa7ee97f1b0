import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
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

export interface RunOptions {
  env?: NodeJS.ProcessEnv;
  /** As the user nobody, if this is root. */
  asNobody?: boolean;
}

/** The program `campanile`, compiled from the sources as they are now. */
export interface Campanile {
  run(args: string[], options?: RunOptions): Command;
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
  const elsewhere = await mkdtemp(join(tmpdir(), 'campanile-checkout-'));
  await chmod(elsewhere, 0o755);
  const program = join(directory, 'src/cli/campanile.js');
  return {
    run(args, { env, asNobody = false } = {}) {
      if (!asNobody || process.getuid?.() !== 0) return run([process.execPath, program, ...args], env);
      return run(
        [...enterAsNobody(elsewhere), join(elsewhere, relative(packageRoot, program)), ...args],
        env,
      );
    },
    async remove() {
      await rm(directory, { recursive: true, force: true });
      await rm(elsewhere, { recursive: true, force: true });
    },
  };
}

/** Runs Node as nobody, who sees this checkout at `elsewhere`: where it lies, a 0700 folder may keep others out. */
function enterAsNobody(elsewhere: string): string[] {
  const script =
    'mount --bind "$0" "$1" && shift && exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"';
  const namespace = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script];
  return [...namespace, packageRoot, elsewhere, process.execPath];
}

function run([command = '', ...args]: string[], env = process.env): Command {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', env });
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
