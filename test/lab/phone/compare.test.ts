import { describe, expect, it } from 'vitest';
import { codecOf } from '../../../src/lab/phone/codec.js';
import { compareAudio, compareBytes } from '../../../src/lab/phone/compare.js';
import { pcmOfSound } from '../../../src/lab/phone/sounds.js';

const machine = pcmOfSound({ speech: 'machine' });
const person = pcmOfSound({ speech: 'person' });
const tone = pcmOfSound({ tone: 440, ms: 1000 });
const { encode } = codecOf('PCMU');

function joined(...parts: Int16Array[]): Int16Array {
  const all = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** What a call by A-law makes of it. */
function transcoded(pcm: Int16Array): Int16Array {
  const { encode: toAlaw, decode } = codecOf('PCMA');
  return decode(toAlaw(codecOf('PCMU').decode(encode(pcm))));
}

const silence = (ms: number) => new Int16Array(8 * ms);
const first = (pcm: Int16Array, ms: number) => pcm.subarray(0, 8 * ms);

describe('bytes', () => {
  const [a, b] = [encode(machine), encode(person)];

  it('are the sound, to the last one', () => {
    expect(compareBytes(a, a)).toEqual({ sounds: [{ is: 'whole', atMs: 0, ms: a.length / 8 }], otherMs: 0 });
    expect(compareBytes(a.subarray(0, a.length - 1), a).sounds[0]!.is).toBe('beginning');
  });

  it('are its beginning, cut where it is', () => {
    expect(compareBytes(a.subarray(0, 8 * 740), a)).toMatchObject({ sounds: [{ is: 'beginning', ms: 740 }] });
  });

  it('are not the sound from the first byte on that differs', () => {
    const wrong = Buffer.from(a);
    wrong[4000]! ^= 1;
    expect(compareBytes(wrong, a)).toMatchObject({
      sounds: [{ is: 'beginning', ms: 500 }],
      otherMs: a.length / 8 - 500,
    });
    expect(compareBytes(b, a)).toMatchObject({ sounds: [{ is: 'different' }] });
  });

  it('are several sounds in order, one cut short by the next, or the same again', () => {
    const heard = Buffer.concat([a.subarray(0, 8 * 740), b, a, a]);
    expect(compareBytes(heard, a, b, a, a)).toMatchObject({
      sounds: [{ is: 'beginning', ms: 740 }, { is: 'whole', atMs: 740 }, { is: 'whole' }, { is: 'whole' }],
      otherMs: 0,
    });
    expect(compareBytes(heard, b, a).sounds[0]!.is).toBe('different');
  });
});

describe('audio', () => {
  it('is the sound, wherever it begins and whatever codecs it went through', () => {
    const heard = joined(silence(137), transcoded(machine), silence(50));
    expect(compareAudio(heard, machine)).toMatchObject({ sounds: [{ is: 'whole', atMs: 137 }], otherMs: 0 });
  });

  it('is the sound by G.722', () => {
    const { encode: toG722, decode } = codecOf('G722');
    expect(compareAudio(decode(toG722(machine)), machine)).toMatchObject({
      sounds: [{ is: 'whole' }],
      otherMs: 0,
    });
  });

  it('is its beginning, to a packet', () => {
    const [sound] = compareAudio(transcoded(first(machine, 2050)), machine).sounds;
    expect(sound).toMatchObject({ is: 'beginning', ms: 2050 });
  });

  it('is not a different sound of the same length and loudness', () => {
    const backwards = Int16Array.from(machine).reverse();
    expect(compareAudio(backwards, machine).sounds[0]!.is).toBe('different');
    const higher = pcmOfSound({ tone: 450, ms: 1000 });
    expect(compareAudio(higher, tone).sounds[0]!.is).not.toBe('whole');
    expect(compareAudio(person, machine).sounds[0]!.is).toBe('different');
  });

  it('is not the sound at a quarter of its amplitude', () => {
    expect(
      compareAudio(
        machine.map((sample) => sample >> 2),
        machine,
      ).sounds[0]!.is,
    ).toBe('different');
  });

  it.each([500, 1500, 3000, 5000])('tells when 20 ms are missing after %d ms', (ms) => {
    const heard = joined(first(machine, ms), machine.subarray(8 * (ms + 20)));
    const { sounds, otherMs } = compareAudio(heard, machine);
    expect(sounds[0]!.is).toBe('beginning');
    expect(otherMs).toBeGreaterThan(0);
  });

  it('tells when 20 ms in the middle are silent', () => {
    const heard = Int16Array.from(machine);
    heard.fill(0, 16_000, 16_160);
    expect(compareAudio(heard, machine).sounds[0]).toMatchObject({ is: 'beginning' });
  });

  it('is several sounds in order, and nothing else', () => {
    const heard = transcoded(joined(first(machine, 1500), person, silence(300), tone, person));
    expect(compareAudio(heard, machine, person, tone, person)).toMatchObject({
      sounds: [{ is: 'beginning' }, { is: 'whole' }, { is: 'whole' }, { is: 'whole' }],
    });
    expect(compareAudio(heard, machine, person, tone, person).otherMs).toBeLessThanOrEqual(20);
    expect(compareAudio(heard, tone, machine).sounds[1]!.is).toBe('different');
    expect(compareAudio(heard, machine, tone).otherMs).toBeGreaterThan(300);
  });
});

it('keeps every byte of both laws: what is decoded is encoded to the same byte', () => {
  const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  for (const name of ['PCMU', 'PCMA'] as const) {
    const law = codecOf(name);
    // µ-law has two zeros.
    const again = law
      .encode(law.decode(every))
      .map((byte) => (name === 'PCMU' && byte === 0x7f ? 0xff : byte));
    expect([...again]).toEqual([...every].map((byte) => (name === 'PCMU' && byte === 0x7f ? 0xff : byte)));
  }
});
