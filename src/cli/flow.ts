import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { checkFlow } from '../calls/flow/check.js';
import type { Answers, Happened } from '../calls/flow/happened.js';
import { runFlow } from '../calls/flow/run.js';
import { type Flow, flowDefinition } from '../calls/flow/schema.js';
import type { Values } from '../calls/flow/text.js';
import { neededFields } from '../calls/flow/texts.js';
import { FlowOver } from '../calls/flow/way.js';
import { CampanileError, messageOf } from '../errors.js';
import { createTerminal } from '../terminal.js';
import { createTerminalPhone } from './flow-phone.js';
import { openKeyboard } from './keyboard.js';

const HELP = `usage: campanile flow play FILE [--field NAME=VALUE]... [--machine person|machine|unsure]
         [--answer NAME=VALUE]...

Checks the flow in FILE (its definition as JSON, or what POST /v1/flows takes), and walks it at the terminal: what a call
would say is printed, and the keys 0 to 9, * and # are pressed as you type them; h hangs up. At its end it prints what
would be recorded of the attempt. Input that is no terminal is read line by line, one line for each key that is waited
for; an empty one presses none.

  --field    a field of the contact
  --machine  what the machine detection says
  --answer   what a webhook answers; none is asked, and without this option all of them fail
`;

/** `campanile flow play FILE`: exit code 1 when the flow is not right. */
export async function flow(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      field: { type: 'string', multiple: true, default: [] },
      machine: { type: 'string' },
      answer: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [command, file, ...more] = positionals;
  if (command !== 'play' || file === undefined || more.length > 0) {
    throw new CampanileError('usage', 'say which flow: campanile flow play FILE');
  }
  if (values.machine !== undefined && !['person', 'machine', 'unsure'].includes(values.machine)) {
    throw new CampanileError('usage', `--machine must be person, machine or unsure, not "${values.machine}"`);
  }
  const fields = pairs('--field', values.field);
  const definition = await readFlow(file);
  if (!definition) return 1;
  const missing = neededFields(definition).filter((name) => !Object.hasOwn(fields, name));
  if (missing.length > 0) {
    const options = missing.map((name) => `--field ${name}=...`).join(' ');
    throw new CampanileError('usage', `the flow needs fields that every contact must have: ${options}`);
  }
  await play(definition, {
    fields,
    call: values.machine === undefined ? {} : { machine: values.machine },
    answers: values.answer.length > 0 ? pairs('--answer', values.answer) : null,
  });
  return 0;
}

async function play(
  definition: Flow,
  about: { fields: Values; call: Record<string, string>; answers: Answers | null },
): Promise<void> {
  const terminal = createTerminal(process.stdout, process.env);
  const keyboard = await openKeyboard(process.stdin);
  const timeZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const phone = createTerminalPhone(keyboard, terminal, { language: definition.language, timeZone });
  const steps: Happened[] = [];
  let answers: Answers = {};
  let optedOut = false;
  const line = (text: string) => terminal.write(`${text}\n`);
  try {
    await runFlow(definition, { ...about, timeZone }, phone, {
      happened(entry, all) {
        steps.push(entry);
        answers = { ...all };
        const outcome = entry.outcome === undefined ? '' : `: ${entry.outcome}`;
        line(terminal.paint('bold', `${entry.step} (${entry.type})${outcome}`));
      },
      async optOut() {
        optedOut = true;
      },
      async ask(step) {
        line(`  asks ${step.url}${about.answers ? '' : ', which fails without --answer'}`);
        return about.answers;
      },
    });
  } catch (error) {
    if (!(error instanceof FlowOver)) throw error;
  } finally {
    keyboard.close();
  }
  line(terminal.paint('bold', 'recorded'));
  line(JSON.stringify({ steps, answers, suppressed: optedOut }, null, 2));
}

/** The flow, or null when it is not right: what is wrong was printed then. */
async function readFlow(file: string): Promise<Flow | null> {
  let json: unknown;
  try {
    json = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new CampanileError('flow_unreadable', `cannot read ${file}: ${messageOf(error)}`);
  }
  const parsed = flowDefinition.safeParse(
    typeof json === 'object' && json !== null && 'definition' in json ? json.definition : json,
  );
  const problems = parsed.success
    ? checkFlow(parsed.data)
    : parsed.error.issues.map(({ path, message }) => ({ field: `/${path.join('/')}`, message }));
  for (const { field, message } of problems) process.stderr.write(`${file}: ${field} ${message}\n`);
  return parsed.success && problems.length === 0 ? parsed.data : null;
}

function pairs(option: string, given: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    given.map((text) => {
      const [, name, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
      if (name === undefined) throw new CampanileError('usage', `${option} is "${text}", not NAME=VALUE`);
      return [name, value!];
    }),
  );
}
