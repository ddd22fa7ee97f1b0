import { z } from 'zod';
import type { SourceFormat } from '../db/messages.js';
import { CampanileError } from '../errors.js';
import { printable, probe } from './ffmpeg.js';
import { claimedSecondsOfWav } from './wav.js';

export interface Source {
  format: SourceFormat;
  /** How long the file says it is; null where it does not say. */
  claimedSeconds: number | null;
}

const digits = z.coerce.number();
const probed = z.object({
  streams: z.array(
    z.object({
      codec_type: z.string().optional(),
      codec_name: z.string().default('unknown'),
      sample_rate: digits.default(0),
      channels: digits.default(0),
      duration: digits.optional(),
    }),
  ),
  format: z.object({ format_name: z.string(), duration: digits.optional() }),
});

const CURE = 'send a WAV, MP3, Ogg, FLAC or M4A file';

/** What an upload is. Throws a CampanileError (`audio_unusable`) when no sound is in it. */
export async function probeSource(bytes: Buffer, signal: AbortSignal): Promise<Source> {
  const { streams, format } = await probe(bytes, signal)
    .then((said) => probed.parse(said))
    .catch((cause) => {
      if (!(cause instanceof CampanileError || cause instanceof z.ZodError)) throw cause;
      const detail = cause instanceof CampanileError ? ` (${cause.message})` : '';
      throw new CampanileError('audio_unusable', `this is no audio that can be read${detail}: ${CURE}`, {
        cause,
      });
    });
  const sound = streams.find((stream) => stream.codec_type === 'audio');
  if (!sound || sound.channels < 1 || sound.sample_rate < 1) {
    throw new CampanileError('audio_unusable', `no sound is in the file: ${CURE}`);
  }
  return {
    format: {
      container: printable(format.format_name.split(',')[0]!),
      codec: printable(sound.codec_name),
      rate: sound.sample_rate,
      channels: sound.channels,
    },
    claimedSeconds: claimedSecondsOfWav(bytes) ?? sound.duration ?? format.duration ?? null,
  };
}
