import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ChaosBuild, makeChaosBuild, removeChaosBuild } from '../../chaos/build.js';
import { failPointsIn, findFailPoints, PRELOAD, withFailPoints } from '../../chaos/fail-points.js';
import { packageRoot } from '../../src/root.js';
import { compile } from '../support/program.js';

const NAME = `test-${process.pid}`;
let build: ChaosBuild;
let dir: string;

beforeAll(async () => {
  await compile();
  build = await makeChaosBuild(NAME);
  dir = await mkdtemp(join(tmpdir(), 'campanile-fail-point-'));
});
afterAll(async () => {
  await removeChaosBuild(NAME);
  await rm(dir, { recursive: true });
});

const CALL = /campanileFailPoint\("([^"]+)"\)/g;

async function callsIn(directory: string): Promise<string[]> {
  const files = (await readdir(directory, { recursive: true })).filter((name) => name.endsWith('.js'));
  const texts = await Promise.all(files.map((name) => readFile(join(directory, name), 'utf8')));
  return texts.flatMap((text) => [...text.matchAll(CALL)].map((match) => match[1]!));
}

it('makes a fail point of every marker in src', async () => {
  const marked = findFailPoints(join(packageRoot, 'src'), '.ts');
  expect(marked.length).toBeGreaterThan(10);
  expect(new Set(marked).size).toBe(marked.length);
  const source = dirname(dirname(build.program));
  expect((await callsIn(source)).sort()).toEqual([...marked].sort());
});

it('leaves the ordinary build without any', async () => {
  const files = (await readdir(join(packageRoot, 'dist/src'), { recursive: true })).filter((n) =>
    n.endsWith('.js'),
  );
  expect(files.length).toBeGreaterThan(100);
  for (const name of files) {
    expect(await readFile(join(packageRoot, 'dist/src', name), 'utf8')).not.toContain('campanileFailPoint');
  }
});

it('reads markers on lines of their own only', () => {
  const text = 'a();\n  // fail point: one two\nb(); // fail point: three\n// fail point:\n';
  expect(failPointsIn(text)).toEqual(['one two']);
  expect(withFailPoints(text)).toContain('\n  globalThis.campanileFailPoint("one two");\nb();');
});

it('ends the process at the n-th passing, once, and only when it is armed', async () => {
  const preload = join(dir, 'preload.mjs');
  const armed = join(dir, 'armed');
  const program = join(dir, 'program.mjs');
  await writeFile(preload, PRELOAD);
  await writeFile(
    program,
    `for (let i = 1; i <= 5; i++) {
      globalThis.campanileFailPoint('other');
      globalThis.campanileFailPoint('here');
      console.log(i);
    }`,
  );
  async function run(): Promise<[string, NodeJS.Signals | null]> {
    const child = spawn(process.execPath, ['--import', preload, program], {
      env: { FAIL_POINT_FILE: armed },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await once(child, 'close');
    return [said.replaceAll('\n', ''), child.signalCode];
  }
  expect(await run()).toEqual(['12345', null]);
  await writeFile(armed, 'here\n3\n');
  expect(await run()).toEqual(['12', 'SIGKILL']);
  expect(existsSync(armed)).toBe(false);
  expect(await run()).toEqual(['12345', null]);
});
