import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.js';
import { type AsteriskInstance, startAsterisk } from '../../src/lab/asterisk.js';
import { until } from '../../src/lab/condition.js';
import { confinedCommand } from '../../src/lab/confine.js';
import { type FarEnd, startFarEnd } from '../../src/lab/far-end.js';
import { maxConcurrent } from '../../src/lab/far-end-log.js';
import { ensureAsterisk, type Image } from '../../src/lab/image.js';
import { freePort } from '../../src/lab/ports.js';
import { describeOnAsterisk } from '../support/line.js';

let image: Image;
let dir: string;
let farEnd: FarEnd;
const instances: AsteriskInstance[] = [];

/** Each call tells its events in a file of its name: what the caller pressed, and how the handler saw the end. */
const dialplan = (events: string) => `
[talk]
exten => s,1,Read(KEY,hello-world,1,,1,1)
 same => n,Set(FILE(${events}/\${CALL},,,al,u)=key \${KEY})
 same => n,Hangup()
exten => failed,1,NoOp()
[ended]
exten => s,1,GotoIf($["\${CHANNEL(channeltype)}"="NULL"]?done)
 same => n,Set(FILE(${events}/\${CALL},,,al,u)=\${HANGUPCAUSE(\${CHANNEL(name)},tech)}, cause \${HANGUPCAUSE})
 same => n(done),Return()
`;

/** A trunk that answers a challenge. */
const trunk = (address: string) => `
[secret]
type=auth
auth_type=userpass
username=campanile
password=s3cret
[trunk]
type=aor
contact=sip:${address}
[trunk]
type=endpoint
transport=loopback
aors=trunk
disallow=all
allow=ulaw
outbound_auth=secret
`;

describeOnAsterisk('a real Asterisk and its far end', () => {
  beforeAll(async () => {
    const { cacheDir } = loadConfig(process.env);
    const prefer = process.env.TEST_ASTERISK === '16' ? '16' : '22';
    ({ image } = await ensureAsterisk({ prefer, cacheDir, log: () => {} }));
    // mkdtemp's mode is 0700: the lab must work below such a directory.
    dir = await mkdtemp(join(tmpdir(), 'campanile-lab-'));
    farEnd = await startFarEnd({ image, dir: join(dir, 'far'), port: await freePort('udp'), ringSeconds: 1 });
  }, 600_000);

  afterEach(async () => {
    await Promise.all(instances.splice(0).map((instance) => instance.stop()));
  });

  afterAll(async () => {
    await farEnd?.stop();
    if (dir) await rm(dir, { recursive: true });
  });

  async function start(name: string): Promise<AsteriskInstance> {
    const events = join(dir, name, 'events');
    await mkdir(events, { recursive: true });
    await chmod(events, 0o777);
    const instance = await startAsterisk({
      image,
      dir: join(dir, name),
      sipPort: await freePort('udp'),
      farEnds: { far: farEnd.address },
      includes: [],
      extraExtensions: dialplan(events),
      extraPjsip: trunk(farEnd.address),
    });
    instances.push(instance);
    return instance;
  }

  async function dial(instance: AsteriskInstance, name: string, channel: string): Promise<void> {
    const file = join(instance.spoolDir, name);
    const lines = [
      `Channel: ${channel}`,
      ...['CallerID: <+4930555>', 'MaxRetries: 0', 'RetryTime: 864000', 'WaitTime: 3', 'Archive: yes'],
      ...['Context: talk', 'Extension: s', 'Priority: 1', `Set: CALL=${name}`],
      'Set: CHANNEL(hangup_handler_push)=ended,s,1',
    ];
    await writeFile(file, `${lines.join('\n')}\n`);
    await chown(file, instance.uid, instance.gid);
    await rename(file, join(instance.spoolDir, 'outgoing', name));
  }

  /** Waits for the archived call file and returns its Status. */
  async function statusOf(instance: AsteriskInstance, name: string): Promise<string | null> {
    const file = join(instance.spoolDir, 'outgoing_done', name);
    const read = () => readFile(file, 'utf8').catch(() => '');
    return until(async () => /^Status: (\w+)/m.exec(await read())?.[1], { timeoutMs: 30_000 });
  }

  async function eventsOf(instance: AsteriskInstance, name: string): Promise<string> {
    return readFile(join(instance.dir, 'events', name), 'utf8').catch(() => '');
  }

  async function callsTo(prefix: string) {
    return (await farEnd.calls()).filter((call) => call.number.startsWith(prefix));
  }

  it('acts out every code, as Asterisk, the call file and the far end see it', async () => {
    const asterisk = await start('codes');
    // Code: the archived Status, what the far end sent last, what the hangup handler saw.
    const expected: Record<string, [string, number | null, string]> = {
      200: ['Completed', 200, 'SIP 200 OK, cause 16'],
      201: ['Completed', 200, 'SIP 200 OK'],
      202: ['Completed', 200, 'SIP 200 OK, cause 16'],
      203: ['Completed', 200, 'SIP 200 OK'],
      205: ['Completed', 200, 'key 5'],
      123: ['Completed', 200, 'SIP 200 OK, cause 16'],
      180: ['Expired', 487, 'SIP 180 Ringing'],
      183: ['Expired', 487, 'SIP 183 Session Progress'],
      999: ['Expired', null, ', cause'],
      // Asterisk takes notice of the redirect and of what it is called by two ways, and hangs up on the first.
      302: ['Expired', 302, ', cause '],
      401: ['Expired', 401, 'SIP 401 Unauthorized, cause 21'],
      403: ['Expired', 403, 'SIP 403 Forbidden, cause 21'],
      404: ['Expired', 404, 'SIP 404 Not Found, cause 1'],
      407: ['Expired', 407, 'SIP 407 Proxy Authentication Required, cause 21'],
      408: ['Expired', 408, 'SIP 408 Request Timeout, cause 18'],
      410: ['Expired', 410, 'SIP 410 Gone, cause 22'],
      480: ['Expired', 480, 'SIP 480 Temporarily Unavailable, cause 19'],
      484: ['Expired', 484, 'SIP 484 Address Incomplete, cause 28'],
      486: ['Expired', 486, 'SIP 486 Busy Here, cause 17'],
      487: ['Expired', 487, 'SIP 487 Request Terminated, cause 127'],
      488: ['Expired', 488, 'SIP 488 Not Acceptable Here, cause 58'],
      499: ['Expired', 400, 'SIP 400 Bad Request, cause 127'],
      500: ['Expired', 500, 'SIP 500 Server Internal Error, cause 38'],
      502: ['Expired', 502, 'SIP 502 Bad Gateway, cause 27'],
      503: ['Expired', 503, 'SIP 503 Service Unavailable, cause 34'],
      504: ['Expired', 504, 'SIP 504 Server Time-out, cause 102'],
      600: ['Expired', 600, 'SIP 600 Busy Everywhere, cause 17'],
      603: ['Expired', 603, 'SIP 603 Decline, cause 21'],
      604: ['Expired', 604, 'SIP 604 Does Not Exist Anywhere, cause 1'],
    };
    for (const code of Object.keys(expected))
      await dial(asterisk, `call${code}`, `PJSIP/+4930100${code}@far`);

    for (const [code, [status, finalStatus, seen]] of Object.entries(expected)) {
      expect([code, await statusOf(asterisk, `call${code}`)]).toEqual([code, status]);
      const [call, ...others] = await callsTo(`+4930100${code}`);
      expect(others).toEqual([]);
      expect(call).toMatchObject({
        from: '+4930555',
        finalStatus,
        cancelled: code === '180' || code === '183',
      });
      expect([code, await eventsOf(asterisk, `call${code}`)]).toEqual([code, expect.stringContaining(seen)]);
    }

    const calls = await callsTo('+4930100');
    const talked = (code: string) => {
      const call = calls.find(({ number }) => number.endsWith(code))!;
      return call.endedAt! - call.answeredAt!;
    };
    expect(talked('201')).toBeGreaterThanOrEqual(699);
    expect(talked('203')).toBeGreaterThanOrEqual(499);
    expect(talked('203')).toBeLessThan(talked('201'));
    const rangFor = calls.find(({ number }) => number.endsWith('202'))!;
    expect(rangFor.answeredAt! - rangFor.invitedAt).toBeGreaterThanOrEqual(999);
    expect(calls.filter((call) => call.endedAt === null).map((call) => call.number)).toEqual(['+4930100999']);
    expect(maxConcurrent(calls)).toBeGreaterThan(5);
    expect(await eventsOf(asterisk, 'call200')).not.toContain('key 5');
  });

  it('answers a trunk that comes back with credentials, as one call', async () => {
    const asterisk = await start('trunk');
    for (const code of ['401', '407']) await dial(asterisk, `trunk${code}`, `PJSIP/+4930200${code}@trunk`);
    for (const code of ['401', '407']) expect(await statusOf(asterisk, `trunk${code}`)).toBe('Completed');
    const calls = await callsTo('+4930200');
    expect(calls.map((call) => call.finalStatus)).toEqual([200, 200]);
  });

  it('runs two at once that do not touch each other', async () => {
    const [one, two] = await Promise.all([start('one'), start('two')]);
    await dial(one, 'a', 'PJSIP/+4930301486@far');
    await dial(two, 'a', 'PJSIP/+4930302201@far');
    expect([await statusOf(one, 'a'), await statusOf(two, 'a')]).toEqual(['Expired', 'Completed']);
    await one.stop();
    expect(two.running).toBe(true);
    expect(await two.cli('core show uptime seconds')).toMatch(/System uptime: \d+/);
  });

  it('keeps the call file of a call that Asterisk died in, and comes up again on the same spool', async () => {
    const asterisk = await start('killed');
    const { pid } = asterisk;
    await dial(asterisk, 'orphan', 'PJSIP/+4930400180@far');
    await until(async () => (await callsTo('+4930400')).length > 0, { timeoutMs: 10_000 });
    await asterisk.kill();
    expect(asterisk.running).toBe(false);
    await expect(asterisk.cli('core show uptime')).rejects.toThrow(/did not answer "core show uptime"/);
    expect(await readdir(join(asterisk.spoolDir, 'outgoing'))).toEqual(['orphan']);
    await asterisk.restart();
    expect(asterisk.pid).not.toBe(pid);
    expect(await readFile(join(asterisk.spoolDir, 'outgoing/orphan'), 'utf8')).toContain(
      `StartRetry: ${pid} `,
    );
  });

  it('leaves no mount behind', async () => {
    const asterisk = await start('mounts');
    const mounts = () => readFile('/proc/self/mounts', 'utf8');
    expect(await mounts()).not.toContain(dir);
    await asterisk.kill();
    expect(await mounts()).not.toContain(dir);
  });

  it('ends when the process that started it is killed', async () => {
    const own = join(dir, 'fatherless');
    await mkdir(own);
    const command = confinedCommand({
      imageRoot: image.root,
      binds: [own],
      command: ['sh', '-c', `echo up > ${own}/up; exec sleep 1000`],
      user: { uid: image.asteriskUid, gid: image.asteriskGid },
      outputFile: '',
    });
    await chown(own, image.asteriskUid, image.asteriskGid);
    // Stands for this process: it starts the command as confine does, tells its id, and is killed.
    const script = `const { pid } = require('node:child_process').spawn(...${JSON.stringify([command[0], command.slice(1)])});
      process.stdout.write(String(pid)); setInterval(() => {}, 1000);`;
    const starter = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [pid] = await once(starter.stdout, 'data');
    const commandLine = () => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    await until(async () => existsSync(join(own, 'up')) && (await commandLine()).startsWith('sleep'), {
      timeoutMs: 10_000,
    });
    expect(await commandLine()).toMatch(/^sleep/);
    starter.kill('SIGKILL');
    expect(await until(async () => (await commandLine()) === '', { timeoutMs: 10_000 })).toBe(true);
  });

  it('says what was wrong when it cannot start', async () => {
    const options = { image, dir: join(dir, 'failing'), farEnds: {}, includes: [] };
    await expect(startAsterisk({ ...options, sipPort: farEnd.port })).rejects.toThrow(
      /is in use: give another one/,
    );
    const nowhere = { ...image, root: '/nonexistent' };
    const sipPort = await freePort('udp');
    await expect(startAsterisk({ ...options, sipPort, image: nowhere })).rejects.toThrow(/holds no Asterisk/);
    const start = startAsterisk({ ...options, sipPort, shares: ['/nonexistent'] });
    await expect(start).rejects.toThrow(/did not come up; its log ends with:\n.*mount.*\/nonexistent/s);
  });
});
