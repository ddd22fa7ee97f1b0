// Makes a checkout ready to run: installs what the lock file names and compiles src, bench and chaos,
// each only when something changed since the last time. Uses nothing but Node and npm.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function run(command, args) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', process.stderr, process.stderr] });
  if (done.status !== 0) {
    console.error(`${command} ${args.join(' ')} failed${done.error ? `: ${done.error.message}` : ''}`);
    process.exit(done.status ?? 1);
  }
}

/** Installs node_modules when it does not match package-lock.json. */
function install() {
  const marker = join(root, 'node_modules', '.campanile-installed');
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === wanted) return;
  console.error('installing the packages of package-lock.json ...');
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  writeFileSync(marker, wanted);
}

function newestChange(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

/** Compiles when a source is newer than the last successful build. */
function build() {
  const marker = join(root, 'dist', '.campanile-built');
  const newest = Math.max(
    ...['src', 'bench', 'chaos', 'tsconfig.json', 'package.json'].map((p) => newestChange(join(root, p))),
  );
  if (existsSync(marker) && statSync(marker).mtimeMs > newest) return;
  run(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    '-p',
    join(root, 'tsconfig.json'),
  ]);
  mkdirSync(join(root, 'dist'), { recursive: true });
  writeFileSync(marker, '');
}

/** Lets `npx campanile` run what was built: npm does so only the first time it sees a folder of this name. */
function letRun() {
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  for (const program of Object.values(bin)) chmodSync(join(root, program), 0o755);
}

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`campanile needs Node 20.19 or newer, this is ${process.version}: install a newer Node.js`);
  process.exit(1);
}
install();
build();
letRun();
