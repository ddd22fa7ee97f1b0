import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createCommandEngine } from '../../../src/messages/speech/command.js';
import { toneWav } from '../../../src/messages/tone.js';

const made: string[] = [];
afterAll(async () => {
  for (const folder of made) await rm(folder, { recursive: true });
});

/** A directory that is gone after the tests of the file. */
export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'campanile-test-'));
  made.push(path);
  return path;
}

/** An engine of which `script`, in Bourne shell, is all: $1 is the text, $2 the output, $3 the language, $4 the voice. */
export async function scriptEngine(script: string) {
  const home = await folder();
  const program = join(home, 'speak');
  await writeFile(join(home, 'tone.wav'), toneWav(0.5));
  await writeFile(program, `#!/bin/sh\ncd ${home}\n${script}\n`);
  await chmod(program, 0o755);
  const argv = [program, '{text}', '{output}', '{language}', '{voice}'];
  return { home, engine: createCommandEngine(argv) };
}

export const SPEAKS = 'cp tone.wav "$2"';
