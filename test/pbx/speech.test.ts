import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compareBytes } from '../../src/lab/phone/compare.js';
import { noise } from '../../src/lab/phone/noise.js';
import { createEspeak } from '../../src/messages/speech/espeak.js';
import { createRenderer } from '../../src/messages/speech/renderer.js';
import { scriptEngine } from '../messages/speech/engines.js';
import { insertCampaignFixture, insertTextFixture, untilCompleted } from '../support/campaigns.js';
import { type FlowCalls, flowCalls } from '../support/flow-calls.js';
import { describeOnAsterisk, type Line, startLine } from '../support/line.js';

const A = noise(0.5, 1);
const NAMES = ['Ada', 'Maximiliana', 'Øyvind'];

describeOnAsterisk('contacts who are spoken to by name', () => {
  let line: Line;
  let calls: FlowCalls;
  const espeak = createRenderer(createEspeak());
  const spoken = async (text: string, language = 'en') =>
    (await espeak.render({ text, language, voice: null })).ulaw!;

  beforeAll(async () => {
    line = await startLine({ phones: {} });
    calls = await flowCalls(line, [A]);
    await line.start();
  });
  afterAll(() => line.stop());

  it('hear their own text, and all of it', async () => {
    const { pool } = line.database;
    const tenant = await insertTextFixture(pool, calls.tenant, 'Dear {name|neighbour}, the water is back.');
    const heard = await Promise.all(
      [...NAMES, null].map(async (name, i) => {
        const number = `+1212600${i}555`;
        await line.phones!.use([{ number, steps: [] }]);
        const fields = name === null ? {} : { name };
        const id = await insertCampaignFixture(pool, tenant, [number], { fields });
        await pool.query(`SELECT pg_notify('campanile_due', '')`);
        await untilCompleted(pool, [id], 30);
        return line.phones!.untilEnded(number);
      }),
    );
    for (const [i, { stretches }] of heard.entries()) {
      const expected = await spoken(`Dear ${NAMES[i] ?? 'neighbour'}, the water is back.`);
      const received = Buffer.concat(stretches.map(({ payload }) => payload));
      expect(compareBytes(received, expected)).toMatchObject({ sounds: [{ is: 'whole' }], otherMs: 0 });
    }
  });

  it('hear texts of a flow between its messages', async () => {
    const prompt = [
      { message: calls.message(A) },
      { text: 'Guten Tag, {name}. Ihr Termin ist am {date:date}.', language: 'de' },
    ];
    const flow = await calls.flow({ start: 'a', steps: { a: { type: 'say', prompt } } });
    const { heard, attempt } = await calls.call(flow, [], { name: 'Ada', date: '2026-11-25' });
    const text = await spoken('Guten Tag, Ada. Ihr Termin ist am 25. November 2026.', 'de');
    const received = Buffer.concat(heard.stretches.map(({ payload }) => payload));
    expect(compareBytes(received, A.payload, text)).toMatchObject({
      sounds: [{ is: 'whole' }, { is: 'whole' }],
      otherMs: 0,
    });
    expect(attempt.steps![0]!.heard_seconds).toBeCloseTo(A.seconds + text.length / 8000, 1);
  });
});

describeOnAsterisk('an engine that fails and recovers', () => {
  let line: Line;
  let home: string;
  beforeAll(async () => {
    line = await startLine({ phones: {} });
    const script = await scriptEngine('[ -e works ] || { echo "no licence" >&2; exit 1; }; cp tone.wav "$2"');
    home = script.home;
    const command = [join(home, 'speak'), '{text}', '{output}'];
    await line.start({ speech: { ...line.config.speech, command } });
  });
  afterAll(() => line.stop());

  it('holds contacts back with what it said, and they are called once it works', async () => {
    const { pool } = line.database;
    const calls = await flowCalls(line, [A]);
    const tenant = await insertTextFixture(pool, calls.tenant, 'Hello');
    const number = '+12126000555';
    await line.phones!.use([{ number, steps: [] }]);
    const id = await insertCampaignFixture(pool, tenant, [number]);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    const contact = async () =>
      (
        await pool.query('SELECT state, attempts, held_for, problem FROM contacts WHERE campaign_id = $1', [
          id,
        ])
      ).rows[0];
    await expect
      .poll(contact, { timeout: 20_000 })
      .toMatchObject({ state: 'pending', attempts: 0, held_for: 'speech' });
    expect((await contact()).problem).toContain('no licence');
    await writeFile(join(home, 'works'), '');
    await pool.query('UPDATE contacts SET due_at = now() WHERE campaign_id = $1', [id]);
    await pool.query(`SELECT pg_notify('campanile_due', '')`);
    await untilCompleted(pool, [id], 30);
    expect(await contact()).toEqual({ state: 'answered', attempts: 1, held_for: null, problem: null });
  });
});
