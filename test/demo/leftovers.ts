import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';

/** What a demo with process id `pid` left behind: its folders, and processes that have one of them in their arguments. */
export async function leftoversOf(pid: number): Promise<string[]> {
  const folders = (await readdir(tmpdir())).filter((name) => name.startsWith(prefixOf(pid)));
  return [...folders, ...(await processesOf(pid)).map(({ command }) => command)];
}

/** The processes of a demo: those that have its folder in their arguments. */
export async function processesOf(pid: number): Promise<{ pid: number; command: string }[]> {
  const found: { pid: number; command: string }[] = [];
  for (const name of (await readdir('/proc').catch(() => [])).filter((entry) => /^\d+$/.test(entry))) {
    const command = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
    if (command.includes(prefixOf(pid)))
      found.push({ pid: Number(name), command: command.replaceAll('\0', ' ') });
  }
  return found;
}

function prefixOf(pid: number): string {
  return `campanile-demo-${pid}-`;
}
