import { createHash } from 'node:crypto';
import type { SpeechEngine } from './engine.js';
import { runEngine } from './run.js';

/**
 * The operator's own command line: `argv` with `{text}`, `{language}`, `{voice}` and `{output}` in it, which are put in
 * without a shell. The text is on its standard input too; `{output}` is where it writes a WAV file of 16-bit PCM.
 */
export function createCommandEngine(argv: readonly string[]): SpeechEngine {
  return {
    name: 'command',
    identify: async () => `command ${createHash('sha256').update(JSON.stringify(argv)).digest('hex')}`,
    voices: async () => null,
    async speak({ text, language, voice }, output, signal) {
      const values: Record<string, string> = { text, language, voice: voice ?? '', output };
      await runEngine(
        argv.map((argument) => fill(argument, values)),
        text,
        signal,
      );
    },
  };
}

const PLACE = /\{(text|language|voice|output)\}/g;

/** All at once: braces in a text stay what they are. What was no option does not become one. */
function fill(argument: string, values: Record<string, string>): string {
  const filled = argument.replace(PLACE, (_, name: string) => values[name]!);
  return filled.startsWith('-') && !argument.startsWith('-') ? ` ${filled}` : filled;
}
