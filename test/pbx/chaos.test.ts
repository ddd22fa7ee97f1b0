import { beforeAll, expect, it } from 'vitest';
import { FAULTS } from '../../chaos/faults/index.js';
import { render } from '../../chaos/report.js';
import { runChaos } from '../../chaos/run.js';
import { describeOnAsterisk } from '../support/line.js';
import { compile } from '../support/program.js';

const KINDS = [
  'campanile killed at "claimed"',
  'asterisk killed, back with the same pid',
  'postgres killed',
  'fastagi stopped',
];

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
