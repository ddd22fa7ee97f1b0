import { setTimeout as sleep } from 'node:timers/promises';
import { latenessOf } from '../src/lab/phone/lateness.js';
import { noise } from '../src/lab/phone/noise.js';
import { type Phones, startPhones } from '../src/lab/phone/phones.js';
import type { Script } from '../src/lab/phone/script.js';
import { insertBenchCampaign } from './campaign.js';
import { type Ground, median, startBenchAsterisk, startCampanileNode } from './line.js';
import { createVerdict } from './verdict.js';

const PORTS = 100;
/** Three times what is up at once: with ten more a second, and 13 s for each, a hundred are from the tenth second on. */
const CALLS = 300;
const RATE = 10;
const LIMIT_MS = 200;
const HOLD_MS = 100;

const [MENU, PIN, THANKS, BYE] = [noise(3, 1), noise(2, 2), noise(4, 3), noise(4, 4)];
const SOUNDS = [MENU, PIN, THANKS, BYE] as const;

/** Whoever is called presses 1 in the menu, sooner or later by the last digit of the number, and then a PIN. */
const SCRIPTS: Script[] = Array.from({ length: 10 }, (_, digit) => ({
  number: `*${digit}`,
  steps: [
    { untilAudio: true },
    { wait: 500 + 150 * digit },
    { press: '1', holdMs: HOLD_MS },
    { untilSilence: 200 },
    { press: '4711', holdMs: HOLD_MS, gapMs: 60 },
  ],
}));

function flowOf([menu, pin, thanks, bye]: string[]): unknown {
  const says = (message: string | undefined) => [{ message }];
  return {
    start: 'menu',
    steps: {
      menu: { type: 'menu', prompt: says(menu), keys: { 1: 'pin' } },
      pin: {
        type: 'collect',
        prompt: says(pin),
        max_digits: 4,
        check: { equals: '4711' },
        next: 'bye',
        save_as: 'pin',
      },
      bye: { type: 'say', prompt: [...says(thanks), ...says(bye)] },
    },
  };
}

/** With a hundred calls up that walk a flow: how late each step is at the far end, and whether all was recorded. */
export async function benchSteps(ground: Ground, times: number): Promise<boolean> {
  const phones = await startPhones({ scripts: SCRIPTS, sendSilence: false });
  const asterisk = await startBenchAsterisk(ground.dir, phones.address, 'Hangup()');
  const node = await startCampanileNode(ground, asterisk, PORTS);
  try {
    console.log(`\nSteps of a flow, ${PORTS} calls at once, ${CALLS} in each of ${times} rounds`);
    const verdict = createVerdict();
    for (let i = 0; i < times; i++) {
      const late = await round(ground, phones);
      const most = late.at(-1)!;
      const figures = `median ${median(late).toFixed(1)} ms, latest ${most.toFixed(1)} ms of ${late.length} steps`;
      verdict.say(`${figures}, limit ${LIMIT_MS} ms`, most <= LIMIT_MS);
    }
    return verdict.isKept;
  } finally {
    await node.stop();
    await asterisk.stop();
    await phones.stop();
  }
}

/** The lateness of every sound of one campaign's calls, in order. Throws when a call was not what it should be. */
async function round({ pool }: Ground, phones: Phones): Promise<number[]> {
  const sounds = SOUNDS.map(({ wav }) => wav);
  const campaign = await insertBenchCampaign(pool, {
    ports: PORTS,
    rate: RATE,
    contacts: CALLS,
    code: '',
    sounds,
    flow: flowOf,
  });
  await pool.query(`SELECT pg_notify('campanile_due', '')`);
  for (;;) {
    const { rows } = await pool.query('SELECT status, answered FROM campaigns WHERE id = $1', [campaign]);
    if (rows[0].status === 'completed') break;
    await sleep(200);
  }
  const { rows } = await pool.query(
    `SELECT count(*)::integer AS n FROM attempts WHERE campaign_id = $1 AND answers = '{"pin": "4711"}'`,
    [campaign],
  );
  if (rows[0].n !== CALLS) throw new Error(`only ${rows[0].n} of ${CALLS} calls were recorded as they went`);
  const payloads = SOUNDS.map(({ payload }) => payload);
  const calls = await phones.calls();
  await phones.forget();
  const late = calls.flatMap((call) => {
    const each = latenessOf(call, payloads, HOLD_MS);
    if (!each) throw new Error(`${call.number} heard something else`);
    return each;
  });
  return late.sort((a, b) => a - b);
}
