import { appendFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { examine } from '../../src/doctor/doctor.js';
import type { Finding } from '../../src/doctor/finding.js';
import { freePort } from '../../src/lab/ports.js';
import { createLog } from '../../src/log.js';
import { describeOnAsterisk, type Line, startLine } from '../support/line.js';

describeOnAsterisk('campanile doctor beside a real Asterisk', () => {
  let line: Line;
  let env: Record<string, string>;
  let elsewhere: string;

  beforeAll(async () => {
    line = await startLine();
    elsewhere = await mkdtemp(join(tmpdir(), 'campanile-doctor-test-'));
    env = {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: line.database.url,
      CAMPANILE_DATA: line.config.dataDir,
      CAMPANILE_AGI_LISTEN: `127.0.0.1:${line.config.agiListen.port}`,
      CAMPANILE_SPOOL: line.asterisk.spoolDir,
      CAMPANILE_ASTERISK_RUN: line.asterisk.runDir,
      CAMPANILE_NODE: line.config.nodeName,
    };
  });
  afterAll(async () => {
    await line.stop();
    await rm(elsewhere, { recursive: true, force: true });
  });
  afterEach(async () => {
    expect(await leftovers()).toEqual([]);
  });

  async function examined(over: Record<string, string> = {}): Promise<Finding[]> {
    const findings: Finding[] = [];
    for await (const finding of examine({ ...env, ...over }, createLog('silent'))) findings.push(finding);
    return findings;
  }

  async function leftovers(): Promise<string[]> {
    const { spoolDir } = line.asterisk;
    const files = await readdir(spoolDir, { recursive: true });
    return files.filter((file) => file.includes('campanile-doctor'));
  }

  /** As `step: detail`, and what to do about it. */
  function failures(findings: Finding[]): Record<string, string> {
    const wrong = findings.filter(({ result }) => result === 'failed');
    return Object.fromEntries(
      wrong.map(({ step, detail, remedy }) => [step, [detail, ...remedy].join('\n')]),
    );
  }

  /** A run directory that tells of the start and through which Asterisk cannot be asked. */
  async function deafRunDirectory(): Promise<Record<string, string>> {
    const directory = join(elsewhere, 'run');
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'asterisk.pid'), String(line.asterisk.pid));
    return { CAMPANILE_ASTERISK_RUN: directory };
  }

  /** Rewrites a file of the instance's configuration for as long as `work` takes. */
  async function withChanged(name: string, change: (text: string) => string, work: () => Promise<void>) {
    const file = join(line.asterisk.dir, 'etc', name);
    const before = await readFile(file, 'utf8');
    expect(change(before)).not.toBe(before);
    await writeFile(file, change(before));
    try {
      await work();
    } finally {
      await writeFile(file, before);
    }
  }

  it('finds all well', async () => {
    const findings = await examined();
    expect(failures(findings)).toEqual({});
    const needed = findings.filter(({ result }) => result !== 'note');
    expect(needed.map(({ step, result }) => `${step} ${result}`)).toEqual([
      'Node.js ok',
      'configuration ok',
      'database ok',
      'migrations ok',
      'spool ok',
      'one filesystem ok',
      'templates ok',
      'Asterisk ok',
      'module pbx_spool ok',
      'other modules ok',
      'machine detection ok',
      'dialplan ok',
      'FastAGI ok',
      'test call ok',
      'audio ok',
    ]);
    expect(findings.find(({ step }) => step === 'test call')?.detail).toMatch(
      /came back through FastAGI after [0-4]\.\d\d s/,
    );
  });

  it('finds that Asterisk has the file of SIP accounts, once serve has written it and Asterisk was told', async () => {
    const accounts = async () => (await examined()).find(({ step }) => step === 'SIP accounts');
    const campanile = await line.start();
    await campanile.stop();
    const before = await accounts();
    expect(before).toMatchObject({ result: 'note', detail: expect.stringContaining('has not taken in') });
    expect(before?.remedy[0]).toContain(`#tryinclude "${line.config.pjsipFile}"`);
    await line.asterisk.cli(/'(module reload .*)'/.exec(before!.remedy[1]!)![1]!);
    expect(await accounts()).toMatchObject({ result: 'ok' });
    await withChanged(
      'pjsip.conf',
      (text) => text.replace(/^#tryinclude.*$/m, ''),
      async () => {
        await line.asterisk.cli('module reload res_pjsip.so');
        await appendFile(line.config.pjsipFile, '[x]\ntype=endpoint\n');
        const { 'SIP accounts': wrong } = failures(await examined());
        expect(wrong).toContain(`echo '#tryinclude "${line.config.pjsipFile}"' >> /etc/asterisk/pjsip.conf`);
      },
    );
    await rm(line.config.pjsipFile);
    await line.asterisk.cli('module reload res_pjsip.so');
  });

  it('finds all well while campanile serve runs, which does not see the test call', async () => {
    const campanile = await line.start();
    try {
      const findings = await examined();
      expect(failures(findings)).toEqual({});
      expect(findings.find(({ step }) => step === 'FastAGI')?.detail).toMatch(
        /"campanile serve" has 127\.0\.0\.1:\d+; listening on port \d+ for this check/,
      );
    } finally {
      await campanile.stop();
    }
    expect(await readdir(join(line.asterisk.spoolDir, 'campanile/quarantine'))).toEqual([]);
  });

  it('concludes all from the test call where Asterisk cannot be asked', async () => {
    const findings = await examined(await deafRunDirectory());
    expect(failures(findings)).toEqual({});
    const skipped = findings.filter(({ result }) => result === 'skipped');
    expect(skipped.map(({ step }) => step)).toEqual([
      'module pbx_spool',
      'other modules',
      'machine detection',
      'dialplan',
      'SIP accounts',
    ]);
  });

  it('tells that the dialplan is not included', async () => {
    await withChanged(
      'extensions.conf',
      (text) => text.replace(/^#include.*$/m, ''),
      async () => {
        await line.asterisk.cli('dialplan reload');
        const asked = failures(await examined());
        expect(Object.keys(asked)).toEqual(['dialplan']);
        expect(asked.dialplan).toContain("echo '#include campanile.conf' >> /etc/asterisk/extensions.conf");
        const concluded = failures(await examined(await deafRunDirectory()));
        expect(Object.keys(concluded)).toEqual(['test call']);
        expect(concluded['test call']).toContain('the dialplan is not included');
        expect(concluded['test call']).toContain("asterisk -rx 'dialplan reload'");
      },
    );
    await line.asterisk.cli('dialplan reload');
  });

  it('tells that FastAGI cannot be reached', async () => {
    const nowhere = `agi://127.0.0.1:${await freePort('tcp')}`;
    const wrong = failures(await examined({ CAMPANILE_AGI_URL: nowhere }));
    expect(Object.keys(wrong)).toEqual(['test call']);
    expect(wrong['test call']).toContain(`${nowhere} cannot be reached from Asterisk`);
    expect(wrong['test call']).toContain('nc -vz 127.0.0.1 ');
  });

  it('tells that the sounds are out of reach', async () => {
    // Asterisk has this directory in no mount of its own.
    const wrong = failures(await examined({ CAMPANILE_SOUNDS: join(elsewhere, 'sounds') }));
    expect(Object.keys(wrong)).toEqual(['audio']);
    expect(wrong.audio).toContain(`chmod -R a+rX ${join(elsewhere, 'sounds')}`);
  });

  it('tells that the spool is not there', async () => {
    const wrong = failures(await examined({ CAMPANILE_SPOOL: join(elsewhere, 'no-spool') }));
    expect(Object.keys(wrong)).toEqual(['spool']);
    expect(wrong.spool).toContain(
      `install -d -o asterisk -g asterisk -m 0770 ${join(elsewhere, 'no-spool/outgoing')}`,
    );
  });

  it('tells that Asterisk looks at another spool', async () => {
    const spool = join(elsewhere, 'spool');
    await mkdir(join(spool, 'outgoing'), { recursive: true });
    const wrong = failures(await examined({ CAMPANILE_SPOOL: spool }));
    expect(Object.keys(wrong)).toEqual(['test call']);
    expect(wrong['test call']).toContain('Asterisk does not look at this spool');
    expect(wrong['test call']).toContain("asterisk -rx 'core show settings' | grep -i 'spool dir'");
    expect(await readdir(join(spool, 'outgoing'))).toEqual([]);
  });

  it('tells that pbx_spool is not loaded', async () => {
    // It refuses to be unloaded.
    await withChanged(
      'modules.conf',
      (text) => text.replace('load=pbx_spool.so\n', ''),
      async () => {
        await line.asterisk.restart();
        const asked = failures(await examined());
        expect(Object.keys(asked)).toEqual(['module pbx_spool']);
        expect(asked['module pbx_spool']).toContain("asterisk -rx 'module load pbx_spool.so'");
        const concluded = failures(await examined(await deafRunDirectory()));
        expect(Object.keys(concluded)).toEqual(['test call']);
        expect(concluded['test call']).toContain('Asterisk does not look at this spool');
        expect(concluded['test call']).toContain("asterisk -rx 'module load pbx_spool.so'");
      },
    );
    await line.asterisk.restart();
  });

  it('tells that Asterisk died, and that it is stopped', async () => {
    await line.asterisk.kill();
    const died = failures(await examined());
    expect(Object.keys(died)).toEqual(['Asterisk']);
    expect(died.Asterisk).toMatch(/started at .* and died since[\s\S]*systemctl restart asterisk/);
    await line.asterisk.restart();
    await line.asterisk.stop();
    const stopped = failures(await examined());
    expect(Object.keys(stopped)).toEqual(['Asterisk']);
    expect(stopped.Asterisk).toMatch(
      /it does not run: there is no asterisk.pid[\s\S]*systemctl start asterisk/,
    );
    await line.asterisk.restart();
  });
});
