import { describe, expect, it } from 'vitest';
import { CampanileError } from '../../src/errors.js';
import { parseWav, renderWav } from '../../src/messages/wav.js';

const samples = Buffer.from([1, 2, 3, 4, 5, 6]);

function chunk(id: string, content: Buffer, size = content.length): Buffer {
  const head = Buffer.alloc(8);
  head.write(id, 0, 'latin1');
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, content, Buffer.alloc(content.length % 2)]);
}

function format(changes: { tag?: number; channels?: number; rate?: number; bits?: number } = {}): Buffer {
  const { tag = 1, channels = 1, rate = 8000, bits = 16 } = changes;
  const fmt = Buffer.alloc(16);
  fmt.writeUInt16LE(tag, 0);
  fmt.writeUInt16LE(channels, 2);
  fmt.writeUInt32LE(rate, 4);
  fmt.writeUInt32LE((rate * channels * bits) / 8, 8);
  fmt.writeUInt16LE((channels * bits) / 8, 12);
  fmt.writeUInt16LE(bits, 14);
  return fmt;
}

function riff(...chunks: Buffer[]): Buffer {
  const content = Buffer.concat([Buffer.from('WAVE'), ...chunks]);
  return chunk('RIFF', content);
}

function refusal(bytes: Buffer): string {
  try {
    parseWav(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(CampanileError);
    expect(error).toMatchObject({ code: 'audio_unusable', status: 422 });
    return (error as Error).message;
  }
  throw new Error('was not refused');
}

describe('parseWav', () => {
  it('takes a plain file as it is', () => {
    const file = riff(chunk('fmt ', format()), chunk('data', samples));
    expect(parseWav(file).file).toEqual(file);
    expect(renderWav(samples)).toEqual(file);
  });

  it('tells how long the sound is', () => {
    expect(parseWav(renderWav(Buffer.alloc(16_000))).seconds).toBe(1);
    expect(parseWav(renderWav(Buffer.alloc(2))).seconds).toBe(1 / 8000);
  });

  it('leaves out other chunks, of odd lengths too, which Asterisk would play or refuse', () => {
    const file = riff(
      chunk('LIST', Buffer.from('odd')),
      chunk('fmt ', format()),
      chunk('fact', Buffer.from('four')),
      chunk('data', samples),
      chunk('id3 ', Buffer.from('noise')),
    );
    expect(parseWav(file).file).toEqual(renderWav(samples));
  });

  it('finds the data before the format', () => {
    expect(parseWav(riff(chunk('data', samples), chunk('fmt ', format()))).file).toEqual(renderWav(samples));
  });

  it('does not trust the size that RIFF claims', () => {
    const file = renderWav(samples);
    file.writeUInt32LE(0, 4);
    expect(parseWav(file).file).toEqual(renderWav(samples));
  });

  it('takes the extensible format when it is PCM after all', () => {
    const extensible = Buffer.concat([
      format({ tag: 0xfffe }),
      Buffer.from('1600100004000000', 'hex'),
      Buffer.from('0100000000001000800000aa00389b71', 'hex'),
    ]);
    expect(parseWav(riff(chunk('fmt ', extensible), chunk('data', samples))).file).toEqual(
      renderWav(samples),
    );
    extensible[24] = 7; // µ-law
    expect(refusal(riff(chunk('fmt ', extensible), chunk('data', samples)))).toContain('compressed');
  });

  it.each([
    ['nothing', Buffer.alloc(0), 'the audio is empty'],
    ['a text', Buffer.from('this is no audio at all'), 'not a WAV file'],
    ['an MP3 file', Buffer.from('ID3\x03\x00\x00\x00\x00\x00\x21TSSE', 'latin1'), 'not a WAV file'],
    ['a file of the first three bytes', Buffer.from('RIF'), 'not a WAV file'],
    ['another kind of RIFF', chunk('RIFF', Buffer.from('AVI LIST')), 'not a WAV file'],
    ['no chunks', riff(), 'does not say what format'],
    ['no format', riff(chunk('data', samples)), 'does not say what format'],
    ['half a format', riff(chunk('fmt ', format().subarray(0, 10)), chunk('data', samples)), 'what format'],
    ['no data', riff(chunk('fmt ', format())), 'has no data'],
    ['data of length 0', renderWav(Buffer.alloc(0)), 'holds no sound'],
    ['half a sample', renderWav(Buffer.alloc(3)), 'ends within a sample'],
    [
      '44.1 kHz',
      riff(chunk('fmt ', format({ rate: 44_100 })), chunk('data', samples)),
      '44100 samples per second',
    ],
    ['stereo', riff(chunk('fmt ', format({ channels: 2 })), chunk('data', samples)), '2 channels'],
    ['8 bits', riff(chunk('fmt ', format({ bits: 8 })), chunk('data', samples)), '8 bits per sample'],
    ['µ-law', riff(chunk('fmt ', format({ tag: 7, bits: 8 })), chunk('data', samples)), 'format 7'],
    ['floats', riff(chunk('fmt ', format({ tag: 3, bits: 32 })), chunk('data', samples)), 'format 3'],
  ])('refuses %s and says how to convert it', (_, bytes, why) => {
    expect(refusal(bytes)).toContain(why);
    expect(refusal(bytes)).toContain('sox in.wav -r 8000 -c 1 -b 16 out.wav');
  });

  it('names everything that is wrong with a format', () => {
    const message = refusal(
      riff(chunk('fmt ', format({ rate: 16_000, channels: 2 })), chunk('data', samples)),
    );
    expect(message).toContain('16000 samples per second');
    expect(message).toContain('2 channels');
  });

  it('refuses a file that was cut off anywhere', () => {
    const whole = riff(chunk('LIST', Buffer.from('odd')), chunk('fmt ', format()), chunk('data', samples));
    for (let length = 0; length < whole.length; length++) refusal(whole.subarray(0, length));
    expect(refusal(whole.subarray(0, whole.length - 1))).toContain('"data" chunk has 5 of 6 bytes');
  });
});
