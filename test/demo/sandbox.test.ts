import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Campanile, compileCampanile } from './command.js';
import { leftoversOf } from './leftovers.js';

describe('campanile demo on the sandbox PBX', () => {
  let campanile: Campanile;
  beforeAll(async () => {
    campanile = await compileCampanile();
  });
  afterAll(() => campanile.remove());

  it('says so first, and ends with the table', async () => {
    const demo = campanile.run(['demo', '--pbx', 'sandbox', '--contacts', '16', '--ports', '8']);
    const { code, stdout, stderr } = await demo.outcome;
    expect(stderr).toBe('');
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(
      'No real Asterisk, as --pbx sandbox asks: the sandbox PBX, a pretend one, takes its place.',
    );
    expect(lines[1]).toBe('Campanile dials 16 contacts through the sandbox PBX, on 8 ports.');
    expect(stdout).toMatch(/ starting Postgres in a fresh folder, and Campanile on it +\d+\.\d s\n/);
    expect(stdout).toMatch(/ {2}is busy +busy +3 each +2 +2\n/);
    expect(stdout).toMatch(/ {2}contacts +16 in all/);
    expect(stdout).toContain('ok  Each contact ended as its far end dictates, with one INVITE per attempt.');
    expect(stdout).toContain('npm start');
    expect(stdout).not.toContain('\x1b');
    expect(code).toBe(0);
    expect(await leftoversOf(demo.process.pid!)).toEqual([]);
  }, 90_000);

  it('takes the place of a real Asterisk where none can be had, and says why', async () => {
    const cache = await mkdtemp(join(tmpdir(), 'campanile-demo-test-'));
    if (process.getuid?.() === 0) await chown(cache, 65_534, 65_534);
    const env = { PATH: process.env.PATH, XDG_CACHE_HOME: cache };
    try {
      const insisted = await campanile.run(['demo', '--pbx', 'asterisk'], { env, asNobody: true }).outcome;
      expect(insisted.code).toBe(1);
      expect(insisted.stderr).toContain('campanile: no real Asterisk can be had here: it needs ');
      const { code, stdout } = await campanile.run(['demo', '--contacts', '8'], { env, asNobody: true })
        .outcome;
      expect(stdout).toMatch(
        /^No real Asterisk can be had here \(it needs .*\): the sandbox PBX, a pretend Asterisk, takes its place\.\n/,
      );
      expect(code).toBe(0);
    } finally {
      await rm(cache, { recursive: true, force: true });
    }
  }, 90_000);

  it('leaves nothing behind when it is interrupted', async () => {
    const demo = campanile.run(['demo', '--pbx', 'sandbox', '--contacts', '200', '--ports', '8']);
    await expect.poll(() => demo.stdout(), { timeout: 60_000 }).toMatch(/[1-9]\d* of 200 done/);
    expect(await leftoversOf(demo.process.pid!)).not.toEqual([]);
    demo.process.kill('SIGINT');
    const { code, stdout } = await demo.outcome;
    expect(stdout).toMatch(/stopping and cleaning up \.\.\.\n$/);
    expect(code).toBe(130);
    expect(await leftoversOf(demo.process.pid!)).toEqual([]);
  }, 90_000);

  it('leaves the API up with --stay, and prints a request that works', async () => {
    const demo = campanile.run(['demo', '--pbx', 'sandbox', '--contacts', '8', '--ports', '8', '--stay']);
    await expect.poll(() => demo.stdout(), { timeout: 60_000 }).toMatch(/\ncurl .*\n/);
    const [, token, url] = /curl -H 'Authorization: Bearer (\S+)' (\S+)\n/.exec(demo.stdout()) ?? [];
    const response = await fetch(url!, { headers: { Authorization: `Bearer ${token}` } });
    expect(await response.json()).toMatchObject({ status: 'completed', contacts: { total: 8, answered: 3 } });
    const docs = /documentation +(\S+)/.exec(demo.stdout())?.[1];
    expect((await fetch(docs!)).status).toBe(200);
    demo.process.kill('SIGINT');
    expect((await demo.outcome).code).toBe(0);
    expect(await leftoversOf(demo.process.pid!)).toEqual([]);
  }, 90_000);

  it('refuses what it cannot do', async () => {
    const tooFew = await campanile.run(['demo', '--contacts', '3']).outcome;
    expect(tooFew).toMatchObject({ code: 1, stdout: '' });
    expect(tooFew.stderr).toContain('--contacts must be a whole number from 8 to 10000, not "3"');
    const unknown = await campanile.run(['demo', '--pbx', 'freeswitch']).outcome;
    expect(unknown.stderr).toContain('--pbx must be asterisk or sandbox, not "freeswitch"');
    expect((await campanile.run(['demo', '--nonsense']).outcome).code).toBe(2);
  });
});
