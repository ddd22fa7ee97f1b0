import type { Key, Part, StepOf } from '../calls/flow/schema.js';
import { fillText, type Values } from '../calls/flow/text.js';
import type { Place } from '../calls/flow/text-format.js';
import { ALL_KEYS, FlowOver, type Phone, type Said, type Transferred } from '../calls/flow/way.js';
import type { Terminal } from '../terminal.js';
import { HANG_UP, type Keyboard } from './keyboard.js';

/** As fast as people read aloud. */
const MS_PER_CHARACTER = 60;
/** For a message, whose length only the server knows. */
const MESSAGE_MS = 2_000;
const TALK_MS = 60_000;

const TRANSFERS: Readonly<Record<string, Transferred['outcome']>> = {
  c: 'connected',
  b: 'busy',
  n: 'no_answer',
  f: 'failed',
  u: 'full',
};

/** A phone in the hand of who sits at the terminal: what would be heard is printed, and typed keys are pressed. */
export function createTerminalPhone(
  keyboard: Keyboard,
  terminal: Pick<Terminal, 'write' | 'paint'>,
  place: Place,
): Phone {
  const line = (text: string) => terminal.write(`${text}\n`);
  const tell = (text: string) => line(terminal.paint('dim', `  ${text}`));

  /** Prints a part, and returns how many milliseconds it takes. */
  function hear(part: Part, values: Values): number {
    const { text, ms } = describe(part, values, place);
    line(`  ${text}`);
    return ms;
  }

  /** A key of the phone, anything else that was typed being none. */
  function press(typed: string | null): Key | null {
    if (typed === HANG_UP) throw new FlowOver();
    const key = ALL_KEYS.find((one) => one === typed) ?? null;
    if (key !== null) tell(`pressed ${key}`);
    return key;
  }

  return {
    async say(prompt, values, keys, heard): Promise<Said> {
      let heardSeconds = 0;
      for (const part of prompt) {
        let leftMs = hear(part, values);
        while (leftMs > 0) {
          const began = performance.now();
          const typed = await keyboard.during(leftMs);
          // Lines that are read from a file do not come while it is said.
          const heardMs = typed === null ? leftMs : Math.min(leftMs, performance.now() - began);
          leftMs -= heardMs;
          heardSeconds += heardMs / 1000;
          if (typed === HANG_UP) return { key: null, heardSeconds, hungUp: true };
          const key = press(typed);
          if (key !== null && keys.includes(key)) return { key, heardSeconds, hungUp: false };
          if (key !== null) heard(key);
        }
      }
      return { key: null, heardSeconds, hungUp: false };
    },
    async key(seconds) {
      tell(`waits ${seconds} s for a key (${HANG_UP}: hang up)`);
      return press(await keyboard.within(seconds * 1000));
    },
    async record(step: StepOf<'record'>) {
      tell(`records up to ${step.max_seconds} s (any key ends it, s: nothing is said)`);
      const began = performance.now();
      const typed = await keyboard.within(step.max_seconds * 1000);
      if (typed === HANG_UP) throw new FlowOver();
      const seconds = (performance.now() - began) / 1000;
      if (typed === 's') return { id: null, seconds, key: null, hungUp: false };
      const key = step.terminators.find((one) => one === typed) ?? null;
      return { id: 'recording', seconds, key, hungUp: false };
    },
    async transfer(step: StepOf<'transfer'>) {
      tell(`transfers to ${step.destination} (c: connected, b: busy, n: no answer, f: failed, u: full)`);
      const typed = await keyboard.within(TALK_MS);
      if (typed === HANG_UP) throw new FlowOver();
      const outcome = TRANSFERS[typed ?? 'c'] ?? 'connected';
      return { outcome, talkedSeconds: null, hungUp: false };
    },
  };
}

function describe(part: Part, values: Values, place: Place): { text: string; ms: number } {
  if ('message' in part) return { text: `plays message ${part.message}`, ms: MESSAGE_MS };
  const spoken = (text: string) => fillText(text, values, { ...place, missing: '' });
  if ('text' in part) {
    const text = spoken(part.text);
    const how = [part.language, part.voice].filter(Boolean).join(', ');
    return {
      text: `speaks ${how ? `(${how}) ` : ''}${JSON.stringify(text)}`,
      ms: text.length * MS_PER_CHARACTER,
    };
  }
  const value = spoken(part.value);
  const currency = part.currency ? ` in ${part.currency}` : '';
  return { text: `says the ${part.say} ${value}${currency}`, ms: value.length * MS_PER_CHARACTER };
}
