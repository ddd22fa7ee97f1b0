import type { Answers, Happened } from '../../src/calls/flow/happened.js';
import { newId } from '../../src/ids.js';
import { compareBytes, type Sequence } from '../../src/lab/phone/compare.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import type { Noise } from '../../src/lab/phone/noise.js';
import type { Step } from '../../src/lab/phone/script.js';
import {
  type AttemptRow,
  attemptsOf,
  insertCampaignFixture,
  insertFlowFixture,
  insertTenantFixture,
  type TenantFixture,
  untilCompleted,
} from './campaigns.js';
import type { Line } from './line.js';

/** An attempt with what its flow did. */
export interface FlowAttempt extends AttemptRow {
  steps: Happened[] | null;
  answers: Answers | null;
}

/** What both sides say of one call. */
export interface FlowCall {
  heard: HeardCall;
  attempt: FlowAttempt;
  /** The steps, each without its times. */
  steps: object[];
  /** Which of these sounds the callee heard, one behind the other, and whether anything else. */
  heardAs(...sounds: Noise[]): Sequence;
}

/** Calls to phones by flows, over a line that has phones. */
export interface FlowCalls {
  tenant: TenantFixture;
  /** The id of a message that is this noise. */
  message(sound: Noise): string;
  /** Saves a flow, given without its defaults; its messages may be given as noise. Returns its id. */
  flow(definition: object): Promise<string>;
  /** One call of a campaign by a flow to a phone that takes `script`. */
  call(flowId: string, script: Step[], fields?: Record<string, string>): Promise<FlowCall>;
  /** One call of a campaign that has the first sound as its message. */
  callWithMessage(campaign: { optOutKey: string }, script: Step[]): Promise<FlowCall>;
  /** So many calls of one campaign at once, to phones that take one script after the other; in the order of the scripts. */
  callMany(flowId: string, scripts: readonly Step[][], count: number): Promise<FlowCall[]>;
}

export async function flowCalls(line: Line, sounds: readonly Noise[]): Promise<FlowCalls> {
  const { pool } = line.database;
  const tenant = await insertTenantFixture(pool, {
    ports: 200,
    pbxTrunk: 'phones',
    audio: sounds[0]!.wav,
    sha256: sounds[0]!.sha256,
  });
  const ids = new Map([[sounds[0]!, tenant.messageId]]);
  for (const sound of sounds.slice(1)) {
    const id = newId();
    ids.set(sound, id);
    await pool.query(
      `WITH sound AS (INSERT INTO sounds (tenant_id, sha256, wav, seconds) VALUES ($1, $3, $4, $5))
        INSERT INTO messages (tenant_id, id, name, sha256, seconds) VALUES ($1, $2, 'noise', $3, $5)`,
      [tenant.tenantId, id, sound.sha256, sound.wav, sound.seconds],
    );
  }
  let dialled = 0;
  async function dial(
    campaign: { flowId: string; fields: Record<string, string> } | { optOutKey: string },
    script: Step[],
  ): Promise<FlowCall> {
    const number = `+1212${2000 + dialled++}555`;
    await line.phones!.use([{ number, steps: script }]);
    const id = await insertCampaignFixture(pool, tenant, [number], campaign);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    const heard = await line.phones!.untilEnded(number);
    await untilCompleted(pool, [id], 30);
    return flowCall(heard, (await attemptsOf(pool, id))[0] as FlowAttempt);
  }
  return {
    tenant,
    message: (sound) => ids.get(sound)!,
    flow: (definition) => insertFlowFixture(pool, tenant, definition),
    call: (flowId, script, fields = {}) => dial({ flowId, fields }, script),
    callWithMessage: dial,
    async callMany(flowId, scripts, count) {
      const numbers = Array.from({ length: count }, () => `+1212${2000 + dialled++}555`);
      await line.phones!.use(numbers.map((number, i) => ({ number, steps: scripts[i % scripts.length]! })));
      const id = await insertCampaignFixture(pool, tenant, numbers, { flowId });
      await pool.query(`SELECT pg_notify('campanile_due', '')`);
      await untilCompleted(pool, [id], 120);
      const attempts = await attemptsOf(pool, id);
      return Promise.all(
        numbers.map(async (number) => {
          const attempt = attempts.find((one) => one.number === number);
          return flowCall(await line.phones!.untilEnded(number), attempt as FlowAttempt);
        }),
      );
    },
  };
}

/** What both sides say of one call, put together. */
export function flowCall(heard: HeardCall, attempt: FlowAttempt): FlowCall {
  return {
    heard,
    attempt,
    steps: (attempt.steps ?? []).map(withoutTimes),
    heardAs: (...sounds) => {
      const received = Buffer.concat(heard.stretches.map(({ payload }) => payload));
      return compareBytes(received, ...sounds.map(({ payload }) => payload));
    },
  };
}

function withoutTimes({ at, heard_seconds, pressed, ...entry }: Happened): object {
  return { ...entry, ...(pressed ? { pressed: pressed.map(({ key }) => key).join('') } : {}) };
}
