import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { packageRoot } from '../../src/root.js';
import { inRoom, WAIT } from './in-room.js';

describe('the sandbox as a process of its own', () => {
  const build = mkdtempSync(join(tmpdir(), 'campanile-sandbox-build-'));
  const children: ChildProcess[] = [];
  beforeAll(() => {
    const tsc = join(createRequire(import.meta.url).resolve('typescript/package.json'), '..', 'bin', 'tsc');
    const how = [
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--types',
      'node',
      '--skipLibCheck',
      '--noCheck',
    ];
    const where = ['--ignoreConfig', '--rootDir', packageRoot, '--outDir', build, 'src/sandbox/main.ts'];
    execFileSync(process.execPath, [tsc, ...how, ...where], { cwd: packageRoot });
    writeFileSync(join(build, 'package.json'), '{ "type": "module" }');
    symlinkSync(join(packageRoot, 'node_modules'), join(build, 'node_modules'));
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
    rmSync(build, { recursive: true });
  });

  function run(...args: string[]): ChildProcess {
    const child = spawn(process.execPath, [join(build, 'src/sandbox/main.js'), ...args]);
    children.push(child);
    return child;
  }

  inRoom('says when it takes calls and, once stopped, how many there were', async ({ room }) => {
    await room.serve();
    const child = run('--spool-dir', room.spoolDir, '--run-dir', room.runDir, '--instant');
    let printed = '';
    child.stdout?.on('data', (chunk) => {
      printed += chunk;
    });
    await vi.waitFor(() => expect(printed).toBe(`{"ready":true,"pid":${child.pid}}\n`), WAIT);
    expect(await room.status(room.place('PJSIP/+1555000200@trunk'))).toBe('Completed');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    const last: unknown = JSON.parse(printed.split('\n')[1] ?? '');
    expect(last).toEqual({ calls: 1, maxConcurrent: 1, cpuSeconds: expect.any(Number) });
  });

  inRoom('says what is wrong with its flags', async ({ room }) => {
    const child = run('--spool-dir', room.spoolDir, '--run-dir', room.runDir, '--speed', 'fast');
    expect(await text(child.stderr!)).toBe(
      'cannot start the sandbox: --speed is "fast", which is no such number\n',
    );
    expect(child.exitCode ?? (await once(child, 'exit'))[0]).toBe(2);
  });
});
