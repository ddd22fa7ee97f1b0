import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { listenForAgi } from '../../src/doctor/agi-listener.js';
import { checkOptional } from '../../src/doctor/setup.js';
import { createLog } from '../../src/log.js';
import { type Campanile, compileCampanile, type Outcome } from '../demo/command.js';

describe('campanile doctor', () => {
  let campanile: Campanile;
  let dir: string;
  beforeAll(async () => {
    campanile = await compileCampanile();
    dir = await mkdtemp(join(tmpdir(), 'campanile-doctor-test-'));
    await chmod(dir, 0o755);
    await mkdir(join(dir, 'data'));
    await chmod(join(dir, 'data'), 0o777);
  });
  afterAll(async () => {
    await campanile.remove();
    await rm(dir, { recursive: true, force: true });
  });

  const doctor = (env: Record<string, string>, asNobody = false): Promise<Outcome> =>
    campanile.run(['doctor'], {
      env: {
        PATH: process.env.PATH,
        DATABASE_URL: inject('database').serverUrl,
        CAMPANILE_DATA: join(dir, 'data'),
        CAMPANILE_ASTERISK_RUN: dir,
        ...env,
      },
      asNobody,
    }).outcome;

  it('says of a spool that is not there what would make it, and goes on', async () => {
    const { code, stdout } = await doctor({ CAMPANILE_SPOOL: join(dir, 'none') });
    expect(stdout).toMatch(/^ok +Node\.js +v\d/);
    expect(stdout).toMatch(/\nok +database +PostgreSQL/);
    expect(stdout).toContain(`FAILED   spool             there is no ${join(dir, 'none/outgoing')}`);
    expect(stdout).toContain(
      `what to do:       install -d -o asterisk -g asterisk -m 0770 ${join(dir, 'none/outgoing')}`,
    );
    expect(stdout).toMatch(
      /\nFAILED +Asterisk +it does not run: .*\n +what to do: +systemctl start asterisk\n/,
    );
    expect(stdout).toMatch(/\nskipped +test call +the spool cannot be used\n/);
    expect(stdout).toMatch(/\n2 steps failed\n$/);
    expect(code).toBe(1);
  });

  it('says of a spool that cannot be written what would allow it', async () => {
    const spool = join(dir, 'spool');
    await mkdir(join(spool, 'outgoing'), { recursive: true });
    await chmod(join(spool, 'outgoing'), 0o555);
    // Root may write everywhere.
    if (process.getuid?.() === 0) await chown(join(spool, 'outgoing'), 101, 101);
    const { code, stdout } = await doctor({ CAMPANILE_SPOOL: spool }, true);
    expect(stdout).toContain(`FAILED   spool             cannot write into ${join(spool, 'outgoing')}`);
    expect(stdout).toMatch(/what to do: +setfacl -m u:\d+:rwx /);
    expect(code).toBe(1);
    await chmod(join(spool, 'outgoing'), 0o755);
  });

  it('says what is wrong with the configuration, and that nothing else can be checked', async () => {
    const { code, stdout } = await doctor({ CAMPANILE_LISTEN: 'here', CAMPANILE_SPOL: '/x' });
    expect(stdout).toContain('FAILED   configuration     the configuration is wrong\n');
    expect(stdout).toContain('CAMPANILE_LISTEN must be host:port');
    expect(stdout).toContain('did you mean CAMPANILE_SPOOL?');
    expect(stdout).toMatch(/\nskipped +database +the configuration is wrong\n/);
    expect(stdout).toMatch(/\n1 step failed\n$/);
    expect(code).toBe(1);
  });

  it('says of templates which line is wrong', async () => {
    const { stdout } = await doctor({ CAMPANILE_TEMPLATES: join(dir, 'no-templates') });
    expect(stdout).toMatch(/\nFAILED +templates +cannot read templates of /);
  });
});

describe("the doctor's FastAGI server", () => {
  const log = createLog('silent');

  /** Takes a port, as `campanile serve` or a stranger would. */
  async function withPortTaken(work: (port: number) => Promise<void>): Promise<void> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    try {
      await work(typeof address === 'object' && address ? address.port : 0);
    } finally {
      await new Promise((done) => server.close(done));
    }
  }

  it('takes another port of the same host when campanile serve has the configured one', async () => {
    await withPortTaken(async (port) => {
      const config = { agiListen: { host: '127.0.0.1', port }, agiUrl: `agi://pbx.example:${port}` };
      const agi = await listenForAgi(config, {}, true, log);
      expect(agi.finding).toMatchObject({
        result: 'ok',
        detail: expect.stringContaining('"campanile serve" has'),
      });
      expect(agi.url).toMatch(/^agi:\/\/pbx\.example:\d+$/);
      expect(agi.url).not.toBe(config.agiUrl);
      await agi.stop();
    });
  });

  it('tells that another program has the configured port', async () => {
    await withPortTaken(async (port) => {
      const config = { agiListen: { host: '127.0.0.1', port }, agiUrl: `agi://127.0.0.1:${port}` };
      const agi = await listenForAgi(config, {}, false, log);
      expect(agi.url).toBeNull();
      expect(agi.finding.detail).toContain(`another program listens on 127.0.0.1:${port}`);
      expect(agi.finding.remedy[0]).toContain(`ss -ltnp 'sport = :${port}'`);
    });
  });

  it('tells that the address is none of this machine', async () => {
    const config = { agiListen: { host: '192.0.2.1', port: 4573 }, agiUrl: 'agi://192.0.2.1:4573' };
    const agi = await listenForAgi(config, {}, false, log);
    expect(agi.finding).toMatchObject({ step: 'FastAGI', result: 'failed' });
    expect(agi.finding.remedy[0]).toContain('CAMPANILE_AGI_LISTEN must name an address of this machine');
  });
});

it('optional programs that are missing are a note with what they are for', () => {
  const notes = checkOptional('/nowhere').filter(({ detail }) => detail.startsWith('ffmpeg '));
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatchObject({
    result: 'note',
    detail: expect.stringContaining('apt-get install ffmpeg'),
  });
});
