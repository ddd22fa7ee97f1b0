import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { flowDefinition } from '../../src/calls/flow/schema.js';
import type { Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import type { Step } from '../../src/lab/phone/script.js';
import {
  type AttemptRow,
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { describeOnAsterisk, type Line, startLine, toneMessage } from '../support/line.js';

const SECONDS = 3;
const message = toneMessage(SECONDS);
/** Nothing like the tone and one another: whatever is heard, Asterisk did not make it of another file. */
const encoded = { ulaw: noise(1), alaw: noise(2), g722: noise(3) };

/** A flow that plays the tenant's message, during which keys mean nothing. */
async function insertFlow(pool: Pool, { tenantId, messageId }: TenantFixture): Promise<string> {
  const id = newId();
  const definition = {
    start: 'only',
    steps: { only: { type: 'play', message: messageId, next: 'end' }, end: { type: 'hangup' } },
  };
  await pool.query(
    `WITH flow AS (INSERT INTO flows (tenant_id, id, name) VALUES ($1, $2, 'flow'))
      INSERT INTO flow_versions (tenant_id, flow_id, version, definition) VALUES ($1, $2, 1, $3)`,
    [tenantId, id, JSON.stringify(flowDefinition.parse(definition))],
  );
  return id;
}

/** All that was heard: on a busy machine one sound may come in pieces. */
const payloadOf = (heard: HeardCall) => Buffer.concat(heard.stretches.map(({ payload }) => payload));

function noise(seed: number): Buffer {
  let state = seed;
  return Buffer.from(
    Array.from({ length: SECONDS * 8000 }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return state >> 16;
    }),
  );
}

describeOnAsterisk('the sound of a message', () => {
  describe.each([
    ['PCMU', 'ulaw'],
    ['PCMA', 'alaw'],
    ['G722', 'g722'],
  ] as const)('on a trunk that speaks %s', (codec, format) => {
    let line: Line;
    let tenant: TenantFixture;
    let dialled = 0;

    beforeAll(async () => {
      line = await startLine({ phones: { codec } });
      tenant = await insertTenantFixture(line.database.pool, { pbxTrunk: 'phones', ...message, encoded });
      await line.start();
    });
    afterAll(() => line.stop());

    async function call(steps: Step[], flowId?: string): Promise<{ heard: HeardCall; attempt: AttemptRow }> {
      const { pool } = line.database;
      const number = `+1212${2000 + dialled++}555`;
      await line.phones!.use([{ number, steps }]);
      const id = await insertCampaignFixture(pool, tenant, [number], flowId ? { flowId } : {});
      await pool.query(`SELECT pg_notify('campanile_due', '')`);
      const heard = await line.phones!.untilEnded(number);
      await untilCompleted(pool, [id], 30);
      return { heard, attempt: (await attemptsOf(pool, id))[0]! };
    }

    it(`is the ${format} file, byte for byte and to its end`, async () => {
      const { heard, attempt } = await call([]);
      expect(payloadOf(heard).equals(encoded[format])).toBe(true);
      expect(attempt).toMatchObject({ disposition: 'answered', heard_seconds: SECONDS });
    });

    it('is heard for as long as Asterisk says when a key ends it', async () => {
      const { heard, attempt } = await call([{ untilAudio: true }, { wait: 700 }, { press: '5' }]);
      expect(attempt).toMatchObject({ key: '5', hung_up_by: 'campanile' });
      const payload = payloadOf(heard);
      expect(encoded[format].subarray(0, payload.length).equals(payload)).toBe(true);
      expect(Math.abs(attempt.heard_seconds! * 1000 - payload.length / 8)).toBeLessThanOrEqual(40);
      expect(attempt.heard_seconds).toBeGreaterThan(0.6);
    });

    it('goes on where it was when a key breaks it off that means nothing', async () => {
      const flow = await insertFlow(line.database.pool, tenant);
      const { heard, attempt } = await call([{ untilAudio: true }, { wait: 700 }, { press: '5' }], flow);
      const payload = payloadOf(heard);
      // Between two packets: what follows may begin with the very bytes that were cut off.
      const differs = payload.findIndex((byte, i) => byte !== encoded[format][i]);
      const cut = differs - (differs % 160);
      // It begins with the first packet of the file, and then goes where it was told to.
      expect(payload.subarray(cut, cut + 160).equals(encoded[format].subarray(0, 160))).toBe(true);
      expect(payload.subarray(cut + 160).equals(encoded[format].subarray(cut))).toBe(true);
      expect(attempt.heard_seconds).toBe(SECONDS);
    });

    it('lies on the node in all formats before the call, however much was removed', async () => {
      const directory = line.config.soundsDir;
      const names = ['alaw', 'g722', 'ulaw', 'wav'].map((each) => `${message.sha256}.${each}`);
      expect((await readdir(directory)).sort()).toEqual(names);
      await rm(join(directory, `${message.sha256}.${format}`));
      const { heard } = await call([]);
      expect(payloadOf(heard).equals(encoded[format])).toBe(true);
      for (const each of ['ulaw', 'alaw', 'g722'] as const)
        expect(await readFile(join(directory, `${message.sha256}.${each}`))).toEqual(encoded[each]);
    });

    it('is the WAV file where there is no other, as of messages from before', async () => {
      const { pool } = line.database;
      const old = await insertTenantFixture(pool, { pbxTrunk: 'phones', ...toneMessage(2) });
      const before = tenant;
      tenant = old;
      const { heard, attempt } = await call([]).finally(() => {
        tenant = before;
      });
      expect(attempt).toMatchObject({ disposition: 'answered', heard_seconds: 2 });
      // But for the header, which Asterisk takes for sound at the beginning and so leaves out at the end.
      expect(payloadOf(heard).length).toBeGreaterThan(1.9 * 8000);
      expect(payloadOf(heard).length).toBeLessThanOrEqual(2 * 8000);
    });
  });
});
