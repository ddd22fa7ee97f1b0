import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { SpokenText } from '../../calls/flow/spoken.js';
import { CampanileError, messageOf } from '../../errors.js';
import { encode } from '../encode.js';
import { NoFfmpeg } from '../ffmpeg.js';
import { createSoundMeter } from '../meters.js';
import type { SoundFiles } from '../sound-files.js';
import { type Pcm, readPcm } from '../wav.js';
import type { SpeechEngine } from './engine.js';

/** Makes sounds of texts. */
export interface Renderer {
  readonly engine: SpeechEngine;
  /**
   * The text as the files that Asterisk plays, at the level of all messages. Throws a CampanileError `speech_failed` or
   * `speech_missing` that says what the engine said.
   */
  render(text: SpokenText): Promise<SoundFiles>;
  /** Ends what is under way. */
  stop(): void;
}

export const RENDER_SECONDS = 20;
const MOST_BYTES = 64 * 1024 * 1024;

/** Each text may take `seconds`, engine and conversion together. */
export function createRenderer(engine: SpeechEngine, seconds = RENDER_SECONDS): Renderer {
  const underWay = new Set<AbortController>();

  async function renderWithin(text: SpokenText, signal: AbortSignal): Promise<SoundFiles> {
    const directory = await mkdtemp(join(tmpdir(), 'campanile-speech-'));
    try {
      const output = join(directory, 'speech.wav');
      await engine.speak(text, output, signal);
      return await convert(await readSound(output), signal);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }

  return {
    engine,
    async render(text) {
      const abort = new AbortController();
      underWay.add(abort);
      const timer = setTimeout(() => abort.abort(tooSlow(seconds)), seconds * 1000);
      try {
        return await renderWithin(text, abort.signal);
      } catch (error) {
        if (abort.signal.aborted) throw abort.signal.reason;
        throw error;
      } finally {
        clearTimeout(timer);
        underWay.delete(abort);
      }
    },
    stop() {
      for (const abort of underWay) abort.abort(new CampanileError('speech_failed', 'Campanile stops'));
    },
  };
}

async function readSound(output: string): Promise<Pcm> {
  try {
    const { size } = await stat(output);
    if (size > MOST_BYTES) throw new Error(`it has ${size} bytes, of ${MOST_BYTES} at most`);
    const pcm = readPcm(await readFile(output));
    if (pcm.samples.length === 0) throw new Error('it is empty');
    return pcm;
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no file' : messageOf(cause);
    throw new CampanileError('speech_failed', `the engine wrote no WAV file of 16-bit PCM: ${why}`, {
      cause,
    });
  }
}

async function convert({ rate, samples }: Pcm, signal: AbortSignal): Promise<SoundFiles> {
  const meter = createSoundMeter(rate);
  for (let at = 0; at < samples.length; at += rate) {
    meter.push(samples.subarray(at, at + rate));
    // Calls are not to wait for it.
    await setImmediate();
  }
  const heard = meter.result();
  if (heard.silent) throw new CampanileError('speech_failed', 'the engine wrote nothing but silence');
  try {
    const master = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
    return (await encode([master], heard, signal, rate)).files;
  } catch (error) {
    if (!(error instanceof NoFfmpeg)) throw error;
    const todo = 'ffmpeg is not installed: the operator must run "apt-get install ffmpeg"';
    throw new CampanileError('speech_missing', todo, { cause: error });
  }
}

function tooSlow(seconds: number): CampanileError {
  return new CampanileError('speech_failed', `the engine took longer than ${seconds} s`);
}
