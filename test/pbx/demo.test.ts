import { readdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Campanile, compileCampanile } from '../demo/command.js';
import { leftoversOf, processesOf } from '../demo/leftovers.js';
import { describeOnAsterisk, testImage } from '../support/line.js';

describeOnAsterisk('campanile demo on a real Asterisk', () => {
  let campanile: Campanile;
  beforeAll(async () => {
    campanile = await compileCampanile();
    await testImage();
  });
  afterAll(() => campanile.remove());

  it('dials contacts of every kind, ends with the table, and leaves nothing behind', async () => {
    const demo = campanile.run(['demo', '--pbx', 'asterisk', '--contacts', '40', '--ports', '10']);
    const { code, stdout, stderr } = await demo.outcome;
    expect(stderr).not.toContain('campanile:');
    expect(stdout).toMatch(
      /^Campanile dials 40 contacts through a real Asterisk \d+\.\d+\.\d+, on 10 ports\.\n/,
    );
    const row = (title: string, state: string, attempts: number, contacts: number) =>
      expect(stdout).toMatch(
        new RegExp(`\\n  ${title} +${state} +${attempts} each +${contacts} +${contacts}\\n`),
      );
    row('answers', 'answered', 1, 16);
    row('answers late', 'answered', 1, 4);
    row('hangs up in the message', 'answered', 1, 4);
    row('is busy', 'busy', 3, 6);
    row('does not answer', 'no_answer', 2, 4);
    row('rejects the call', 'failed', 1, 2);
    row('does not exist', 'invalid', 1, 2);
    row('is congested', 'failed', 3, 2);
    expect(stdout).toMatch(
      / {2}contacts +40 in all +24 answered +6 busy +4 no_answer +4 failed\s+2 invalid\n/,
    );
    expect(stdout).toMatch(
      / {2}attempts +60 in all +24 answered +18 busy +8 no_answer +2 rejected\s+2 invalid_number +6 congestion\n/,
    );
    expect(stdout).toMatch(/ {2}retries +20\n/);
    const used = Number(/ports +(\d+\.\d) % in use while work was due/.exec(stdout)?.[1]);
    expect(used).toBeGreaterThan(50);
    expect(used).toBeLessThanOrEqual(100);
    expect(Number(/at once +(\d+) calls at most, of 10 allowed/.exec(stdout)?.[1])).toBeLessThanOrEqual(10);
    expect(stdout).toContain('ok  Each contact ended as its far end dictates, with one INVITE per attempt.');
    expect(code).toBe(0);
    expect(await leftoversOf(demo.process.pid!)).toEqual([]);
  });

  it('fails, names the first differences and keeps the logs when calls end otherwise than they had to', async () => {
    const demo = campanile.run(['demo', '--pbx', 'asterisk', '--contacts', '16', '--ports', '4']);
    await expect.poll(() => demo.stdout(), { timeout: 120_000 }).toMatch(/ of 16 done, [1-9]\d* talking/);
    const sipp = (await processesOf(demo.process.pid!)).find(({ command }) => command.startsWith('sipp '));
    process.kill(sipp!.pid, 'SIGKILL');
    const { code, stdout } = await demo.outcome;
    expect(stdout).toMatch(
      /FAILED {2}\d+ differences between what had to be and what was:\n {2}\+1212\d+ \(.*\): ended as /,
    );
    const logs = /The logs are in (\S+)\n/.exec(stdout)![1]!;
    expect((await readdir(logs)).toSorted()).toEqual(['asterisk.log', 'campanile.log', 'far-end.log']);
    expect(code).toBe(1);
    await rm(logs, { recursive: true });
    expect(await leftoversOf(demo.process.pid!)).toEqual([]);
  });

  it('takes everything down again when it is interrupted in the middle of calls', async () => {
    const demo = campanile.run(['demo', '--pbx', 'asterisk', '--contacts', '100', '--ports', '10']);
    await expect.poll(() => demo.stdout(), { timeout: 120_000 }).toMatch(/ of 100 done, [1-9]\d* talking/);
    expect((await leftoversOf(demo.process.pid!)).join('\n')).toMatch(
      /asterisk -f[\s\S]*sipp|sipp[\s\S]*asterisk -f/,
    );
    demo.process.kill('SIGINT');
    expect((await demo.outcome).code).toBe(130);
    expect(await leftoversOf(demo.process.pid!)).toEqual([]);
  });
});
