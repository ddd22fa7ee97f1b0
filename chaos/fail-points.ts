import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// A fail point is a comment of src on a line of its own, between two steps:
//
//     // fail point: claimed
//
// The ordinary build has the comment and nothing else. The chaos build (build.ts) has a call in its place.

const MARKER = /^([ \t]*)\/\/ fail point: ([a-z ]+)$/gm;

/** What the chaos build calls; `fail-point.mjs` beside it defines that. */
const CALL = 'globalThis.campanileFailPoint';

/** The names of the fail points in a source text, in their order. */
export function failPointsIn(text: string): string[] {
  return [...text.matchAll(MARKER)].map((match) => match[2]!);
}

/** The compiled text with a call for each marker. */
export function withFailPoints(text: string): string {
  return text.replaceAll(MARKER, (_, indent, name) => `${indent}${CALL}(${JSON.stringify(name)});`);
}

/** The names of all fail points below a directory of .ts or .js files. */
export function findFailPoints(directory: string, extension: '.ts' | '.js'): string[] {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return names
    .filter((name) => name.endsWith(extension))
    .sort()
    .flatMap((name) => failPointsIn(readFileSync(join(directory, name), 'utf8')));
}

/**
 * The program's preload in the chaos build. While the file that FAIL_POINT_FILE names is there, with `<name>\n<n>` in it, the
 * n-th passing of that point ends the process. The file goes first, so that the next start is not ended by it too.
 */
export const PRELOAD = `import { existsSync, readFileSync, statSync, unlinkSync } from 'node:fs';

const file = process.env.FAIL_POINT_FILE;
delete process.env.FAIL_POINT_FILE;
let armedAt = 0;
let passed = 0;

globalThis.campanileFailPoint = (point) => {
  if (!existsSync(file)) return;
  const { mtimeMs } = statSync(file);
  if (mtimeMs !== armedAt) passed = 0;
  armedAt = mtimeMs;
  const [name, nth] = readFileSync(file, 'utf8').split('\\n');
  if (point !== name) return;
  passed += 1;
  if (passed < Number(nth)) return;
  unlinkSync(file);
  process.kill(process.pid, 'SIGKILL');
  for (;;);
};
`;
