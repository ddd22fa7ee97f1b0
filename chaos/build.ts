import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from '../src/root.js';
import { PRELOAD, withFailPoints } from './fail-points.js';

/** The chaos build: the program with its fail points. */
export interface ChaosBuild {
  /** What `node --import` is given. */
  preload: string;
  /** The program that `campanile` is in the ordinary build. */
  program: string;
}

/** Where the chaos build lies: beside the ordinary one, because it needs the same node_modules and package root. */
const BUILD = join(packageRoot, 'dist-chaos');

/** Makes the chaos build of what is compiled in dist/. Each run has one of its own name, because several may go on at once. */
export async function makeChaosBuild(name: string): Promise<ChaosBuild> {
  const directory = join(BUILD, name);
  await rm(directory, { recursive: true, force: true });
  await mkdir(BUILD, { recursive: true });
  await cp(join(packageRoot, 'dist', 'src'), join(directory, 'src'), {
    recursive: true,
    filter: (path) => !path.endsWith('.map'),
  });
  for (const file of await readdir(join(directory, 'src'), { recursive: true })) {
    if (!file.endsWith('.js')) continue;
    const path = join(directory, 'src', file);
    const text = await readFile(path, 'utf8');
    const armed = withFailPoints(text);
    if (armed !== text) await writeFile(path, armed);
  }
  const preload = join(directory, 'fail-point.mjs');
  await writeFile(preload, PRELOAD);
  return { preload, program: join(directory, 'src', 'cli', 'campanile.js') };
}

/** Removes the build of that name. */
export async function removeChaosBuild(name: string): Promise<void> {
  await rm(join(BUILD, name), { recursive: true, force: true });
}
