#!/usr/bin/env node
import { CampanileError, messageOf } from '../errors.js';

/** A command: takes its own arguments and resolves with the exit code. */
type Command = (args: string[]) => Promise<number>;

const COMMANDS: Record<string, { summary: string; load: () => Promise<Command> }> = {
  attempt: {
    summary: 'tell what happened to one attempt',
    load: async () => (await import('./attempt.js')).attempt,
  },
  serve: {
    summary: 'run Campanile: API, scheduler, FastAGI',
    load: async () => (await import('./serve.js')).serve,
  },
  demo: {
    summary: 'dial 200 contacts through a real Asterisk',
    load: async () => (await import('./demo.js')).demo,
  },
  doctor: {
    summary: 'check this machine, step by step',
    load: async () => (await import('./doctor.js')).doctor,
  },
  flow: {
    summary: 'walk a call flow at the terminal',
    load: async () => (await import('./flow.js')).flow,
  },
  import: {
    summary: 'upload a list of contacts',
    load: async () => (await import('./import.js')).importContacts,
  },
  token: { summary: 'issue a token for the API', load: async () => (await import('./token.js')).token },
};

const USAGE = `usage: campanile COMMAND [options]

${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(8)} ${command.summary}`)
  .join('\n')}

campanile COMMAND --help tells the options. Everything else is set by the environment: see docs/configuration.md.
`;

async function main([name, ...args]: string[]): Promise<number> {
  const command = name === undefined ? undefined : COMMANDS[name];
  if (!command) {
    const asked = name === undefined || name === '--help' || name === 'help';
    (asked ? process.stdout : process.stderr).write(
      asked ? USAGE : `campanile: no command "${name}"\n\n${USAGE}`,
    );
    return asked ? 0 : 2;
  }
  return (await command.load())(args);
}

// parseArgs throws TypeErrors with a code of its own for arguments it does not know.
const isUsage = (error: unknown) =>
  error instanceof TypeError && String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const expected = error instanceof CampanileError || isUsage(error);
  process.stderr.write(`campanile: ${expected ? messageOf(error) : (error as Error).stack}\n`);
  process.exitCode = isUsage(error) ? 2 : 1;
}
