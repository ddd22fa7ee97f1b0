import { setTimeout as delay } from 'node:timers/promises';
import { now } from './clock.js';
import type { Ear } from './ear.js';
import type { Mouth } from './mouth.js';
import type { Step } from './script.js';
import type { createSounds } from './sounds.js';

export interface Talk {
  ear: Ear;
  mouth: Mouth;
  sounds: ReturnType<typeof createSounds>;
  /** Aborted when the call is over. */
  over: AbortSignal;
  hangUp(): void;
  onKey(key: string): void;
  onStepDone(): void;
}

const HOLD_MS = 100;
const KEY_GAP_MS = 100;

/** Takes the steps of a script in order. Resolves when all are taken or the call is over, whichever is first. */
export async function takeSteps(steps: readonly Step[], talk: Talk): Promise<void> {
  // How many stretches had begun when a prompt was last waited for or answered.
  let known = 0;

  async function take(step: Step): Promise<void> {
    const { ear, mouth, sounds, over } = talk;
    if ('wait' in step) await delay(step.wait, undefined, { signal: over });
    else if ('untilAudio' in step) {
      await untilStretch(ear, known, over);
      known = ear.stretches;
    } else if ('untilSilence' in step) {
      await untilSilence(ear, step.untilSilence, over);
      known = ear.stretches;
    } else if ('press' in step) {
      known = ear.stretches;
      const { press, holdMs = HOLD_MS, gapMs = KEY_GAP_MS } = step;
      for (const [i, key] of [...press].entries()) {
        if (i > 0) await delay(gapMs, undefined, { signal: over });
        await ended(
          over,
          mouth.press(key, holdMs, () => talk.onKey(key)),
        );
      }
    } else if ('say' in step) await ended(over, mouth.say(sounds.payloadOf(step.say)));
    else if ('silence' in step) await ended(over, mouth.say(sounds.silence(step.silence)));
    else talk.hangUp();
  }

  try {
    for (const step of steps) {
      await take(step);
      talk.onStepDone();
    }
  } catch (error) {
    if (!talk.over.aborted) throw error;
  }
}

async function untilStretch(ear: Ear, known: number, over: AbortSignal): Promise<void> {
  if (ear.stretches > known) return;
  await ended(
    over,
    new Promise<void>((done) => {
      ear.onStretch = done;
    }),
  );
}

async function untilSilence(ear: Ear, ms: number, over: AbortSignal): Promise<void> {
  await untilStretch(ear, 0, over);
  for (let left = ms; left > 0; left = ear.lastAt! + ms - now()) {
    await delay(left, undefined, { signal: over });
  }
}

/** Waits for `done`, and throws when the call is over first. */
async function ended(over: AbortSignal, done: Promise<void>): Promise<void> {
  over.throwIfAborted();
  let stop = () => {};
  const gone = new Promise<never>((_, reject) => {
    stop = () => reject(over.reason);
    over.addEventListener('abort', stop, { once: true });
  });
  try {
    await Promise.race([done, gone]);
  } finally {
    over.removeEventListener('abort', stop);
  }
}
