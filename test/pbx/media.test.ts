import { readFileSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type AsteriskInstance, startAsterisk } from '../../src/lab/asterisk.js';
import { type CodecName, codecOf } from '../../src/lab/phone/codec.js';
import { compareAudio, compareBytes } from '../../src/lab/phone/compare.js';
import type { HeardCall } from '../../src/lab/phone/heard.js';
import { noise } from '../../src/lab/phone/noise.js';
import { type Phones, startPhones } from '../../src/lab/phone/phones.js';
import { MACHINE, PERSON, type Step } from '../../src/lab/phone/script.js';
import { pcmOfSound, pcmOfWav, playedOf } from '../../src/lab/phone/sounds.js';
import { freePort } from '../../src/lab/ports.js';
import { packageRoot } from '../../src/root.js';
import { describeOnAsterisk, testImage } from '../support/line.js';
import { compile } from '../support/program.js';

const CODECS: Record<string, CodecName> = { ulaw: 'PCMU', alaw: 'PCMA', g722: 'G722' };
const wavOf = (name: string) => readFileSync(join(packageRoot, 'src/lab/phone/speech', `${name}.wav`));
const hello = playedOf(wavOf('person'));
const hiss = playedOf(noise(1, 1).wav);

/** What Asterisk plays and records lies in `dir`. */
const dialplan = (dir: string) => `
[amd]
exten => s,1,AMD()
 same => n,Set(DB(amd/\${CALLERID(num)})=\${AMDSTATUS} \${AMDCAUSE})
 same => n,Hangup()
[prompts]
exten => s,1,Playback(${dir}/person)
 same => n,Playback(${dir}/hiss)
 same => n,Wait(1)
 same => n,Playback(${dir}/person)
 same => n,Hangup()
[pauses]
exten => s,1,Playback(${dir}/person)
 same => n,Read(KEY,,1,,1,1)
 same => n,Record(${dir}/quiet.wav,0,1,q)
 same => n,Playback(${dir}/person)
 same => n,Hangup()
[keys]
exten => s,1,Read(KEYS,${dir}/machine,5,,1,3)
 same => n,Set(DB(keys/\${CALLERID(num)})=\${KEYS})
 same => n,Hangup()
[records]
exten => s,1,Record(${dir}/said.wav,0,3,qk)
 same => n,Hangup()
`;

const endpoint = (codec: string, address: string) => `
[${codec}]
type=aor
contact=sip:${address}
[${codec}]
type=endpoint
transport=loopback
aors=${codec}
disallow=all
allow=${codec}
dtmf_mode=rfc4733
`;

describeOnAsterisk('what passes between the real Asterisk and a phone', () => {
  let dir: string;
  let sounds: string;
  let asterisk: AsteriskInstance;
  const phones = new Map<string, Phones>();
  let dialled = 0;

  beforeAll(async () => {
    await compile();
    dir = await mkdtemp(join(tmpdir(), 'campanile-media-'));
    await chmod(dir, 0o755);
    sounds = join(dir, 'sounds');
    await mkdir(sounds);
    await chmod(sounds, 0o777);
    await writeFile(join(sounds, 'hiss.wav'), noise(1, 1).wav);
    for (const name of ['machine', 'person']) await writeFile(join(sounds, `${name}.wav`), wavOf(name));
    for (const [name, codec] of Object.entries(CODECS)) phones.set(name, await startPhones({ codec }));
    asterisk = await startAsterisk({
      image: await testImage(),
      dir: join(dir, 'asterisk'),
      sipPort: await freePort('udp'),
      farEnds: {},
      includes: [],
      extraExtensions: dialplan(sounds),
      extraPjsip: [...phones].map(([name, { address }]) => endpoint(name, address)).join(''),
      shares: [sounds],
    });
  });
  afterAll(async () => {
    await asterisk?.stop();
    for (const instance of phones.values()) await instance.stop();
    if (dir) await rm(dir, { recursive: true });
  });

  /** A call to a phone that takes `steps`, with what the dialplan does at `context`; its caller id is its number. */
  async function call(context: string, steps: readonly Step[], codec = 'ulaw'): Promise<HeardCall> {
    const number = `+1212555${1000 + dialled++}`;
    await phones.get(codec)!.use([{ number, steps }]);
    const file = join(asterisk.spoolDir, `call-${dialled}`);
    const lines = [
      `Channel: PJSIP/${number}@${codec}`,
      `CallerID: <${number}>`,
      'MaxRetries: 0',
      'WaitTime: 5',
    ];
    await writeFile(file, [...lines, `Context: ${context}`, 'Extension: s', 'Priority: 1', ''].join('\n'));
    await chown(file, asterisk.uid, asterisk.gid);
    await rename(file, join(asterisk.spoolDir, 'outgoing', `call-${dialled}`));
    return phones.get(codec)!.untilEnded(number);
  }

  it.each([
    ['HUMAN', 'a person who says hello and listens', PERSON],
    ['MACHINE', 'a machine with its greeting and its beep', MACHINE],
    ['MACHINE', 'somebody who says nothing', []],
  ])('AMD() says %s of %s, and sends nothing meanwhile', async (status, _who, steps) => {
    const heard = await call('amd', steps);
    expect(heard.stretches).toEqual([]);
    expect(await asterisk.cli(`database get amd ${heard.number}`)).toContain(`Value: ${status} `);
  });

  it.each(Object.entries(CODECS))('prompts are heard byte for byte by %s', async (name, codec) => {
    const { stretches } = await call('prompts', [], name);
    // Prompts that follow at once are one stretch.
    expect(stretches).toHaveLength(2);
    const [first, second] = stretches;
    const prompts = [hello, hiss].map(codecOf(codec).encode);
    const whole = { is: 'whole' };
    expect(compareBytes(first!.payload, ...prompts)).toMatchObject({ sounds: [whole, whole], otherMs: 0 });
    expect(compareBytes(second!.payload, prompts[0]!)).toMatchObject({ sounds: [whole], otherMs: 0 });
  });

  it.each(Object.keys(CODECS))(
    'nothing is sent while Asterisk waits for a key and while it records, by %s',
    async (codec) => {
      const heard = await call('pauses', [], codec);
      expect(heard.stretches).toHaveLength(2);
      const [first, second] = heard.stretches;
      expect(second!.at - first!.at - first!.ms).toBeGreaterThan(1900);
      const { sounds: compared, otherMs } = compareAudio(heard.pcm(), hello, hello);
      expect(compared.map(({ is }) => is)).toEqual(['whole', 'whole']);
      expect(otherMs).toBe(0);
    },
  );

  it('keys are pressed during a prompt and after it was cut', async () => {
    const heard = await call('keys', [{ untilAudio: true }, { wait: 500 }, { press: '1*05#', gapMs: 60 }]);
    expect(heard.stretches).toHaveLength(1);
    expect(heard.stretches[0]!.ms).toBeLessThan(1000);
    expect(await asterisk.cli(`database get keys ${heard.number}`)).toBe('Value: 1*05\n');
  });

  it('what a phone says is recorded as it said it', async () => {
    await call('records', [
      { wait: 300 },
      { say: { speech: 'person' } },
      { silence: 200 },
      { say: { tone: 1000, ms: 400 } },
      { wait: 200 },
      { hangUp: true },
    ]);
    const recorded = async () => {
      const wav = await readFile(join(sounds, 'said.wav')).catch(() => Buffer.alloc(0));
      return wav.length > 44 ? pcmOfWav(wav) : new Int16Array(0);
    };
    const said = [pcmOfSound({ speech: 'person' }), pcmOfSound({ tone: 1000, ms: 400 })];
    // It is written when the call is over.
    await expect.poll(async () => (await recorded()).length, { timeout: 10_000 }).toBeGreaterThan(0);
    const { sounds: compared, otherMs } = compareAudio(await recorded(), ...said);
    expect(compared.map(({ is }) => is)).toEqual(['whole', 'whole']);
    expect(otherMs).toBeLessThanOrEqual(20);
  });
});
