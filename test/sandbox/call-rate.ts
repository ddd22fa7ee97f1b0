import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Room } from './room.js';

// How many calls per second the sandbox makes, in a process of its own, with the project's FastAGI server in this one:
//
//   npx tsc --noCheck --ignoreConfig --module nodenext --target es2023 --types node --rootDir . --outDir /tmp/rate \
//     test/sandbox/call-rate.ts src/sandbox/main.ts
//   ln -s $PWD/node_modules $PWD/package.json /tmp/rate
//   node /tmp/rate/test/sandbox/call-rate.js [code] [calls] [ports]
//
// Calls are placed as fast as they end, `ports` at a time, which is how the scheduler does it.

const [code = '486', calls = '10000', ports = '100'] = process.argv.slice(2);
const room = new Room();
await room.serve();
const main = fileURLToPath(new URL('../../src/sandbox/main.js', import.meta.url));
const flags = ['--spool-dir', room.spoolDir, '--run-dir', room.runDir, '--instant'];
const child = spawn(process.execPath, [main, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
process.on('exit', () => child.kill('SIGKILL'));
await once(child.stdout, 'data');
await room.status(room.place('PJSIP/+1555000486@trunk'));

let placed = 0;
let over = 0;
const began = performance.now();
const watcher = watch(room.done, (event) => {
  if (event !== 'rename') return;
  over += 1;
  if (placed < Number(calls)) place();
  if (over === Number(calls)) finish();
});
for (let port = 0; port < Number(ports); port += 1) place();

function place(): void {
  placed += 1;
  room.place(`PJSIP/+1555${String(placed).padStart(6, '0')}${code}@trunk`);
}

function finish(): void {
  const seconds = (performance.now() - began) / 1000;
  watcher.close();
  const heard = [...room.notes.values()].filter((note) => note.hangup).length - 1;
  const perSecond = Math.round(Number(calls) / seconds);
  const { user, system } = process.cpuUsage();
  print({ code, calls: Number(calls), ports: Number(ports), seconds, perSecond, heard });
  print({ cpuSeconds: (user + system) / 1e6 });
  child.kill('SIGTERM');
  child.stdout.on('data', (line) => process.stdout.write(line));
  void once(child, 'exit').then(() => room.close());
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
