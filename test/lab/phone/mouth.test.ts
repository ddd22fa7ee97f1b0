import { expect, it } from 'vitest';
import { Mouth } from '../../../src/lab/phone/mouth.js';
import { type RtpFields, readRtp } from '../../../src/lab/phone/rtp.js';

/** A mouth whose packets are kept, read as RTP. */
function mouth({ comfort = null as Buffer | null } = {}) {
  const sent: (RtpFields & { payload: Buffer })[] = [];
  const it = new Mouth({
    audio: 0,
    keys: 101,
    comfort,
    send: (packet) => {
      const fields = { payloadType: 0, marker: false, sequence: 0, timestamp: 0, start: 0, end: 0 };
      expect(readRtp(packet, fields)).toBe(true);
      sent.push({ ...fields, payload: Buffer.from(packet.subarray(fields.start, fields.end)) });
    },
  });
  const ticks = (n: number) => {
    for (let i = 0; i < n; i++) it.tick();
  };
  return { mouth: it, sent, ticks };
}

it('holds a key as RFC 4733 has it: a marked beginning, one timestamp, growing durations, its end three times', async () => {
  const { mouth: it, sent, ticks } = mouth();
  let downs = 0;
  const pressed = it.press('#', 100, () => (downs += 1));
  ticks(10);
  await pressed;
  expect(downs).toBe(1);
  expect(sent.map(({ payloadType }) => payloadType)).toEqual(Array(7).fill(101));
  expect(sent.map(({ marker }) => marker)).toEqual([true, ...Array(6).fill(false)]);
  expect(new Set(sent.map(({ timestamp }) => timestamp)).size).toBe(1);
  expect(sent.map(({ sequence }) => (sequence - sent[0]!.sequence) & 0xffff)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  // Event 11 is #; the end bit and a volume of 10 in the second byte; the duration behind them.
  const durations = [160, 320, 480, 640, 800, 800, 800];
  const expected = durations.map((d, i) => Buffer.from([11, i < 4 ? 10 : 0x8a, d >> 8, d & 0xff]));
  expect(sent.map(({ payload }) => payload)).toEqual(expected);
});

it('speaks in packets of 20 ms whose timestamps keep the time that passed in silence', async () => {
  const { mouth: it, sent, ticks } = mouth();
  const sound = Buffer.from(Array.from({ length: 480 }, (_, i) => i & 0xff));
  ticks(5);
  const said = it.say(sound);
  ticks(4);
  await said;
  ticks(3);
  it.say(sound.subarray(0, 160));
  ticks(1);
  expect(Buffer.concat(sent.slice(0, 3).map(({ payload }) => payload)).equals(sound)).toBe(true);
  expect(sent.map(({ marker }) => marker)).toEqual([true, false, false, true]);
  const since = sent.map(({ timestamp }) => (timestamp - sent[0]!.timestamp) >>> 0);
  expect(since).toEqual([0, 160, 320, 7 * 160]);
});

it('sends silence when it says nothing, if it is to', () => {
  const { sent, ticks } = mouth({ comfort: Buffer.alloc(160, 0xff) });
  ticks(3);
  expect(sent.map(({ marker }) => marker)).toEqual([true, false, false]);
  expect(sent.every(({ payload }) => payload.equals(Buffer.alloc(160, 0xff)))).toBe(true);
});

it('reads packets with extensions, sources and padding, and nothing shorter than a header', () => {
  const fields = { payloadType: 0, marker: false, sequence: 0, timestamp: 0, start: 0, end: 0 };
  const packet = Buffer.concat([
    Buffer.from([0xb1, 0x80, 0, 7, 0, 0, 1, 0, 0, 0, 0, 1]),
    Buffer.from([1, 2, 3, 4, 0xbe, 0xde, 0, 1, 9, 9, 9, 9]),
    Buffer.from([5, 6, 7, 0, 2]),
  ]);
  expect(readRtp(packet, fields)).toBe(true);
  expect(fields).toEqual({ payloadType: 0, marker: true, sequence: 7, timestamp: 256, start: 24, end: 27 });
  expect(readRtp(packet.subarray(0, 11), fields)).toBe(false);
  expect(readRtp(Buffer.alloc(12), fields)).toBe(false);
});
