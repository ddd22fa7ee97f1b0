import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { CampanileError } from '../../src/errors.js';
import { convertAudio, convertPlainWav } from '../../src/messages/convert.js';
import { toneWav } from '../../src/messages/tone.js';
import { parseWav, renderWav, wavSamples } from '../../src/messages/wav.js';
import { decode, decodeAlaw, decodeUlaw, makeAudio, measure, TONE } from '../support/audio.js';
import { describeWith } from '../support/programs.js';

const refusalOf = (audio: Buffer): Promise<CampanileError> =>
  convertAudio(audio).then(
    () => Promise.reject(new Error('it was taken')),
    (error) => error,
  );
const codesOf = (audio: { warnings: { code: string }[] }) => audio.warnings.map(({ code }) => code);

describeWith('ffmpeg', 'audio that is uploaded', () => {
  it.each([
    ['a.wav', '', { container: 'wav', codec: 'pcm_s16le', rate: 44_100, channels: 1 }],
    ['stereo.wav', '-ac 2', { container: 'wav', codec: 'pcm_s16le', rate: 44_100, channels: 2 }],
    [
      '24.wav',
      '-c:a pcm_s24le -ar 96000',
      { container: 'wav', codec: 'pcm_s24le', rate: 96_000, channels: 1 },
    ],
    ['8.wav', '-c:a pcm_u8 -ar 11025', { container: 'wav', codec: 'pcm_u8', rate: 11_025, channels: 1 }],
    ['a-law.wav', '-c:a pcm_alaw -ar 8000', { container: 'wav', codec: 'pcm_alaw', rate: 8000, channels: 1 }],
    ['gsm.wav', '-c:a libgsm_ms -ar 8000', { container: 'wav', codec: 'gsm_ms', rate: 8000, channels: 1 }],
    ['a.mp3', '', { container: 'mp3', codec: 'mp3', rate: 44_100, channels: 1 }],
    ['vorbis.ogg', '-c:a libvorbis', { container: 'ogg', codec: 'vorbis', rate: 44_100, channels: 1 }],
    ['a.opus', '-c:a libopus', { container: 'ogg', codec: 'opus', rate: 48_000, channels: 1 }],
    ['a.flac', '', { container: 'flac', codec: 'flac', rate: 44_100, channels: 1 }],
    ['a.m4a', '', { container: 'mov', codec: 'aac', rate: 44_100, channels: 1 }],
    ['a.aiff', '', { container: 'aiff', codec: 'pcm_s16be', rate: 44_100, channels: 1 }],
    ['5.1.flac', '-ac 6', { container: 'flac', codec: 'flac', rate: 44_100, channels: 6 }],
  ])('is taken as %s', async (name, options, sourceFormat) => {
    const made = await convertAudio(await makeAudio(name, `${TONE} ${options}`.trim()));
    expect(made.sourceFormat).toEqual(sourceFormat);
    expect(made.warnings).toEqual([]);
    // Lossy formats begin and end with something of their own.
    expect(made.seconds).toBeGreaterThanOrEqual(2);
    expect(made.seconds).toBeLessThan(2.1);
    expect(parseWav(made.wav)).toEqual({ file: made.wav, seconds: made.seconds });
    for (const raw of [made.ulaw, made.alaw, made.g722])
      expect(raw).toHaveLength(Math.round(made.seconds * 8000));
    const { lufs } = await measure(made.wav);
    expect(Math.abs(lufs + 22)).toBeLessThan(0.5);
  });

  it('is taken from a film, without its pictures', async () => {
    const film = await makeAudio('film.mp4', `-f lavfi -i testsrc=duration=2 ${TONE} -shortest`);
    expect(await convertAudio(film)).toMatchObject({ sourceFormat: { codec: 'aac' }, warnings: [] });
  });

  it('is taken from an MP4 file whose index is at its end, however long it is', async () => {
    const long = await makeAudio('long.m4a', '-f lavfi -i sine=duration=60 -b:a 128k');
    expect(long.length).toBeGreaterThan(200_000);
    expect((await convertAudio(long)).seconds).toBeCloseTo(60, 0);
  });

  it('is taken from a file as well', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'campanile-audio-'));
    try {
      await writeFile(join(directory, 'it'), toneWav(1));
      expect(await convertAudio(join(directory, 'it'))).toEqual(await convertAudio(toneWav(1)));
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('is the same in all formats', async () => {
    const made = await convertAudio(await makeAudio('a.wav', '-f lavfi -i aevalsrc=sin(t*t*2000)/9 -t 1'));
    const linear = wavSamples(made.wav);
    for (const raw of [decodeUlaw(made.ulaw!), decodeAlaw(made.alaw!)]) {
      expect(raw).toHaveLength(linear.length);
      // A step of G.711 is at most 1/16 of the value, 16 near zero; a code is within half of one, and a little, of what it stands for.
      const wrong = raw.filter((value, i) => Math.abs(value - linear[i]!) > Math.abs(linear[i]!) / 32 + 12);
      expect(wrong).toEqual([]);
    }
    const wide = await decode(made.g722!, '-f g722', 8000);
    expect(likeness(linear, wide)).toBeGreaterThan(0.99);
  });

  it('keeps in G.722 what is above 4 kHz, and nowhere else', async () => {
    const made = await convertAudio(await makeAudio('a.wav', '-f lavfi -i sine=frequency=6000 -t 1'));
    expect(rms(await decode(made.g722!, '-f g722', 16_000))).toBeGreaterThan(1000);
    expect(rms(wavSamples(made.wav))).toBeLessThan(30);
  });

  it.each([
    ['quiet', 'volume=-24dB'],
    ['loud', 'volume=17dB'],
    ['clipped', 'volume=40dB'],
  ])('that is %s comes out at -22 LUFS, below full scale', async (_, filter) => {
    const made = await convertAudio(await makeAudio('a.flac', `${TONE} -af ${filter}`));
    const { lufs, peakDb } = await measure(made.wav);
    expect(Math.abs(lufs + 22)).toBeLessThan(0.5);
    expect(peakDb).toBeLessThan(-1);
  });

  it('with peaks far above its loudness is limited below full scale, and stays as long as it is', async () => {
    const clicks = await makeAudio(
      'a.flac',
      '-f lavfi -i aevalsrc=if(lt(mod(t\\,0.5)\\,0.002)\\,0.95*sin(t*6000)\\,0.01*sin(t*2764)):s=16000 -t 4',
    );
    const made = await convertAudio(clicks);
    const { peakDb } = await measure(made.wav);
    expect(peakDb).toBeLessThan(0);
    expect(peakDb).toBeGreaterThan(-6);
    expect(made.seconds).toBe(4);
  });

  it('that is hardly audible is made louder as far as noise allows, and says so', async () => {
    const made = await convertAudio(await makeAudio('a.flac', `${TONE} -af volume=-35dB`));
    expect(made.warnings).toMatchObject([{ code: 'quiet', detail: expect.stringContaining('-33 LUFS') }]);
    expect((await measure(made.wav)).lufs).toBeCloseTo(-33, 0);
  });

  it('is measured as it came', async () => {
    // A sine of full scale has -3.01 dB RMS; BS.1770 counts 1 kHz in one channel at -3.01 LUFS.
    const sine = '-f lavfi -i aevalsrc=0.1*sin(2*PI*1000*t):s=48000 -t 3';
    const made = await convertAudio(await makeAudio('a.wav', sine));
    expect(made.peakDb).toBeCloseTo(-20, 1);
    expect(made.loudnessDb).toBeCloseTo(-23, 0);
  });

  it.each([0.005, 0.02, 0.1, 0.39])('may last %s s', async (seconds) => {
    const made = await convertAudio(await makeAudio('a.wav', `-f lavfi -i sine -t ${seconds}`));
    expect(made.seconds).toBeCloseTo(Math.max(seconds, 0.02), 2);
    expect(made.g722).toHaveLength(made.ulaw!.length);
    expect(rms(wavSamples(made.wav))).toBeGreaterThan(500);
  });

  it('warns of silence and of how long it is', async () => {
    const silent = await convertAudio(await makeAudio('a.mp3', '-f lavfi -i anullsrc -t 3'));
    expect(silent.warnings).toMatchObject([{ code: 'silent', seconds: 3 }]);
    expect(silent).toMatchObject({ peakDb: null, loudnessDb: null });
    const padded = await convertAudio(
      await makeAudio('a.flac', `${TONE} -af adelay=1500:all=1,apad=pad_dur=2.5`),
    );
    expect(padded.warnings).toMatchObject([
      { code: 'silence_at_start', seconds: expect.closeTo(1.5, 1) },
      { code: 'silence_at_end', seconds: expect.closeTo(2.5, 1) },
    ]);
    const short = await makeAudio('a.flac', `${TONE} -af adelay=800:all=1,apad=pad_dur=1.8`);
    expect((await convertAudio(short)).warnings).toEqual([]);
  });

  it('is heard when its two channels are each other’s opposite', async () => {
    const opposite = await makeAudio('a.wav', `${TONE} -af pan=stereo|c0=c0|c1=-1*c0`);
    const made = await convertAudio(opposite);
    expect(made.warnings).toEqual([]);
    expect((await measure(made.wav)).lufs).toBeCloseTo(-22, 0);
  });

  it.each(['a.wav', 'a.flac', '8.wav -c:a pcm_u8', 'mu.wav -c:a pcm_mulaw -ar 8000', 'a.mp3', 'a.opus'])(
    'warns of clipping in %s',
    async (made) => {
      const [name, ...options] = made.split(' ');
      const make = (gain: number) =>
        makeAudio(name!, [TONE, `-af volume=${gain}dB`, ...options].join(' ')).then(convertAudio);
      const [warning] = (await make(30)).warnings;
      expect(warning).toMatchObject({ code: 'clipping' });
      expect(warning!.share).toBeGreaterThan(0.3);
      expect((await make(16)).warnings).toEqual([]);
    },
  );

  it.each([
    ['text', Buffer.from('Dear customer, your appointment is tomorrow.\n'.repeat(50))],
    [
      'a ZIP file',
      Buffer.concat([Buffer.from('PK\x03\x04'), deflateRawSync(Buffer.alloc(100_000, 'audio'))]),
    ],
    ['random bytes', Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3) * 31) & 0xff))],
    ['one byte', Buffer.from('x')],
  ])('is refused when it is %s', async (_, body) => {
    const refusal = await refusalOf(body);
    expect(refusal.code).toBe('audio_unusable');
    expect(refusal.message).toContain('send a WAV, MP3, Ogg, FLAC or M4A file');
  });

  it('is refused when it is a picture, or a film without sound', async () => {
    for (const name of ['a.png', 'a.mp4']) {
      const refusal = await refusalOf(await makeAudio(name, '-f lavfi -i testsrc -frames:v 1'));
      expect(refusal).toMatchObject({ code: 'audio_unusable' });
      expect(refusal.message).toContain('no sound is in the file');
    }
  });

  it('is refused empty', async () => {
    expect(await refusalOf(Buffer.alloc(0))).toMatchObject({ message: 'the audio is empty' });
    expect(await refusalOf(renderWav(Buffer.alloc(0)))).toMatchObject({ code: 'audio_unusable' });
  });

  it.each([
    ['mp3', 0.4],
    ['flac', 0.4],
    ['wav', 0.4],
  ])('warns when a %s file is cut off', async (type, share) => {
    const whole = await makeAudio(`a.${type}`, TONE);
    const made = await convertAudio(whole.subarray(0, whole.length * share));
    expect(codesOf(made)).toEqual(['cut_off']);
    expect(made.warnings[0]!.seconds).toBeGreaterThan(1);
  });

  it('is refused when it is an MP4 file that was cut off', async () => {
    const whole = await makeAudio('a.m4a', TONE);
    expect((await refusalOf(whole.subarray(0, whole.length / 2))).code).toBe('audio_unusable');
  });

  it('is refused beyond ten minutes, whether it says so or not, and in little time', async () => {
    expect((await refusalOf(renderWav(Buffer.alloc(8000 * 2 * 601)))).message).toContain('10 minutes');
    // Frames of silence, of 24 ms and 24 bytes each, without any length: eleven minutes in 660 kB, seven hours in 25 MiB.
    const second = await makeAudio(
      'a.mp3',
      '-f lavfi -i anullsrc=r=24000:cl=mono -t 3 -b:a 8k -write_xing 0 -id3v2_version 0',
    );
    const bomb = Buffer.alloc(25 * 1024 * 1024, second);
    expect((await refusalOf(bomb)).message).toContain('longer than 10 minutes');
  }, 60_000);

  it('is taken with ten minutes', async () => {
    const made = await convertAudio(renderWav(Buffer.alloc(8000 * 2 * 600)));
    expect(made).toMatchObject({ seconds: 600, warnings: [{ code: 'silent' }] });
  }, 60_000);

  it('cannot make ffmpeg read files of this machine', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'campanile-secret-'));
    try {
      const secret = join(directory, 'secret.mp3');
      await writeFile(secret, await makeAudio('a.mp3', TONE));
      const sources: [string, string][] = [
        ['concat', `ffconcat version 1.0\nfile '${secret}'\n`],
        ['concat of a protocol', `ffconcat version 1.0\nfile 'file:${secret}'\n`],
        ['HLS', `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://${secret}\n#EXT-X-ENDLIST\n`],
        ['HLS with a name', `#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n${secret}\n#EXT-X-ENDLIST\n`],
        [
          'DASH',
          `<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="audio/wav"><Representation id="1" bandwidth="1"><BaseURL>file://${secret}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>`,
        ],
        ['SDP', 'v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n'],
        ['a name', secret],
        ['a URL', `http://127.0.0.1:9/${secret}`],
      ];
      for (const [name, text] of sources) {
        const refusal = await refusalOf(Buffer.from(text));
        expect(refusal.code, name).toBe('audio_unusable');
        expect(refusal.message, name).not.toContain(directory);
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it('leaves nothing behind', async () => {
    const leftovers = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('ffcache'));
    const before = await leftovers();
    await convertAudio(await makeAudio('a.m4a', TONE));
    await refusalOf(Buffer.from('x'));
    expect(await leftovers()).toEqual(before);
  });

  it('waits for its turn, and is refused when too much waits already', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => convertAudio(toneWav(0.2))));
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject([
      { reason: { code: 'conversions_busy', retryAfterSeconds: 10 } },
      { reason: { code: 'conversions_busy' } },
    ]);
    expect((await convertAudio(toneWav(0.2))).seconds).toBe(0.2);
  });
});

describe('without ffmpeg', () => {
  const withoutFfmpeg = async <T>(work: () => Promise<T>): Promise<T> => {
    const { PATH } = process.env;
    process.env.PATH = '/nowhere';
    try {
      return await work();
    } finally {
      process.env.PATH = PATH;
    }
  };

  it('a WAV file of 8 kHz, mono, 16 bit is taken as it is, and looked at', async () => {
    const wav = toneWav(1);
    const made = await withoutFfmpeg(() => convertAudio(wav));
    expect(made).toEqual({
      wav,
      ulaw: null,
      alaw: null,
      g722: null,
      seconds: 1,
      sourceFormat: { container: 'wav', codec: 'pcm_s16le', rate: 8000, channels: 1 },
      peakDb: -12.2,
      loudnessDb: expect.any(Number),
      warnings: [],
    });
    expect(await convertPlainWav(wav)).toEqual(made);
    const square = Buffer.alloc(16_000);
    for (let i = 0; i < 8000; i++) square.writeInt16LE(i % 20 < 10 ? 32_767 : -32_768, i * 2);
    expect((await convertPlainWav(renderWav(square))).warnings).toMatchObject([
      { code: 'clipping', share: 1 },
    ]);
    expect(codesOf(await convertPlainWav(renderWav(Buffer.alloc(16_000))))).toEqual(['silent']);
  });

  it('anything else is refused, naming the package', async () => {
    const stereo = renderWav(Buffer.alloc(100));
    stereo.writeUInt16LE(2, 22);
    for (const body of [stereo, Buffer.from('ID3 of an MP3 file')]) {
      const refusal = await withoutFfmpeg(() => refusalOf(body));
      expect(refusal.code).toBe('ffmpeg_missing');
      expect(refusal.message).toContain('apt-get install ffmpeg');
      expect(refusal.message).toContain('sox in.wav -r 8000 -c 1 -b 16 out.wav');
    }
  });

  it('ten minutes are the limit too', async () => {
    const refusal = await convertPlainWav(renderWav(Buffer.alloc(8000 * 2 * 600 + 2))).catch(
      (error) => error,
    );
    expect(refusal).toMatchObject({ code: 'audio_unusable' });
  });
});

function rms(samples: Int16Array): number {
  return Math.sqrt(samples.reduce((sum, value) => sum + value * value, 0) / samples.length);
}

/** The correlation of two sounds, one of which may begin some samples later: 1 when they are the same. */
function likeness(a: Int16Array, b: Int16Array): number {
  const at = (shift: number) => {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = 100; i < Math.min(a.length, b.length) - 100; i++) {
      const [x, y] = [a[i]!, b[i + shift]!];
      [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
    }
    return ab / Math.sqrt(aa * bb);
  };
  return Math.max(...Array.from({ length: 61 }, (_, i) => at(i - 30)));
}
