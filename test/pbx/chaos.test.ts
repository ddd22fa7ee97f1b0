import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { FAULTS } from '../../chaos/faults/index.js';
import { startLabAsterisk } from '../../chaos/pbx.js';
import { render } from '../../chaos/report.js';
import { runChaos } from '../../chaos/run.js';
import { freePort } from '../../src/lab/ports.js';
import { describeOnAsterisk, testImage } from '../support/line.js';
import { compile } from '../support/program.js';

const KINDS = [
  'campanile killed at "claimed"',
  'asterisk killed (same pid)',
  'postgres killed',
  'fastagi stopped',
];

describeOnAsterisk('the Asterisk of the chaos lab', () => {
  it('comes back with the same pid, or with another', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'campanile-pid-'));
    const asterisk = await startLabAsterisk({
      image: await testImage(),
      dir,
      sipPort: await freePort('udp'),
      farEnds: {},
      includes: [],
    });
    const pid = async () => Number(await readFile(join(asterisk.runDir, 'asterisk.pid'), 'utf8'));
    try {
      expect(await pid()).toBe(1);
      await asterisk.kill();
      expect(asterisk.running).toBe(false);
      await asterisk.start({ samePid: true });
      expect(await pid()).toBe(1);
      for (const other of [2, 1, 2]) {
        await asterisk.kill();
        await asterisk.start();
        expect(await pid()).toBe(other);
      }
    } finally {
      await asterisk.stop();
      await rm(dir, { recursive: true, force: true });
    }
  });
});

describeOnAsterisk('a short run of chaos', () => {
  beforeAll(compile);

  it('finds nobody called twice, nobody forgotten, and no port held', async () => {
    const said: string[] = [];
    const figures = await runChaos({
      minutes: 1,
      seed: 5,
      faults: FAULTS.filter(({ kind }) => KINDS.includes(kind)),
      asterisk: process.env.TEST_ASTERISK === '16' ? '16' : '22',
      // A machine that does other things as well may take longer than 5 s to start a process.
      flowLimitSeconds: 25,
      log: (text) => said.push(text),
    });
    expect(figures.violations, `${said.join('\n')}\n${render(figures)}`).toEqual([]);
    expect({ noRoom: figures.noRoom, notReached: figures.notReached }).toEqual({
      noRoom: [],
      notReached: [],
    });
    expect(figures.flow.length).toBeGreaterThanOrEqual(KINDS.length);
    expect(figures.invites).toBeGreaterThan(200);
    for (const disposition of ['answered', 'busy', 'no_answer', 'invalid_number', 'lost']) {
      expect([disposition, figures.dispositions[disposition]]).toEqual([disposition, expect.any(Number)]);
    }
  });
});
