import { parseArgs } from 'node:util';
import { examine } from '../doctor/doctor.js';
import type { Finding } from '../doctor/finding.js';
import { createLog } from '../log.js';
import { createTerminal, type Style, type Terminal } from '../terminal.js';

const HELP = `usage: campanile doctor

Checks this machine step by step: Node.js, configuration, database, spool, templates, Asterisk with its modules and the
dialplan, FastAGI, and a test call through all of it, which dials nobody. Tells what to do about each step that fails.
Run it as the user, and with the environment, that "campanile serve" has; serve may run meanwhile.

Exit code: 0 when nothing failed, else 1.
`;

const MARKS: Record<Finding['result'], [text: string, style: Style]> = {
  ok: ['ok', 'green'],
  failed: ['FAILED', 'red'],
  skipped: ['skipped', 'yellow'],
  note: ['note', 'dim'],
};

/** `campanile doctor`: prints a line per step as it is taken; resolves with the exit code. */
export async function doctor(args: string[]): Promise<number> {
  const { values } = parseArgs({ args, options: { help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const terminal = createTerminal(process.stdout, process.env);
  let failures = 0;
  for await (const finding of examine(process.env, createLog('silent'))) {
    terminal.write(renderFinding(finding, terminal));
    if (finding.result === 'failed') failures += 1;
  }
  const plural = failures === 1 ? 'step' : 'steps';
  terminal.write(failures === 0 ? '\nall is well\n' : `\n${failures} ${plural} failed\n`);
  return failures === 0 ? 0 : 1;
}

function renderFinding({ step, result, detail, remedy }: Finding, { paint }: Terminal): string {
  const [mark, style] = MARKS[result];
  const lines = [`${paint(style, mark.padEnd(8))} ${step.padEnd(17)} ${detail}`];
  for (const [i, what] of remedy.entries())
    lines.push(`${' '.repeat(9)}${(i === 0 ? 'what to do:' : '').padEnd(17)} ${what}`);
  return `${lines.join('\n')}\n`;
}
