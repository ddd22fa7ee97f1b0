import type { AudioWarning } from '../db/messages.js';
import type { SoundMeter } from './meters.js';

const LONG_SILENCE = { atStart: 1, atEnd: 2 };
const MUCH_CLIPPING = 0.001;
const MUCH_MISSING = 0.5;
/** So many LUFS are hard to understand over a telephone. */
const QUIET = -30;

/** What is to be said of audio: `heard` is its source's, `levelledDb` the loudness in LUFS as it will be played. */
export function warningsOf(found: {
  heard: ReturnType<SoundMeter['result']>;
  clippedShare: number;
  claimedSeconds: number | null;
  levelledDb: number | null;
}): AudioWarning[] {
  const { heard, clippedShare, claimedSeconds, levelledDb } = found;
  if (heard.silent) {
    const seconds = rounded(heard.seconds);
    return [{ code: 'silent', seconds, detail: 'nothing is to be heard in all of it' }];
  }
  const warnings: AudioWarning[] = [];
  if (heard.silenceAtStart >= LONG_SILENCE.atStart) {
    const seconds = rounded(heard.silenceAtStart);
    warnings.push({ code: 'silence_at_start', seconds, detail: `it begins with ${seconds} s of silence` });
  }
  if (heard.silenceAtEnd >= LONG_SILENCE.atEnd) {
    const seconds = rounded(heard.silenceAtEnd);
    warnings.push({ code: 'silence_at_end', seconds, detail: `it ends with ${seconds} s of silence` });
  }
  if (clippedShare >= MUCH_CLIPPING) {
    const percent = (clippedShare * 100).toFixed(1);
    warnings.push({
      code: 'clipping',
      share: Number(clippedShare.toFixed(4)),
      detail: `${percent} % of its samples are clipped: record it at a lower level`,
    });
  }
  if (claimedSeconds !== null && claimedSeconds - heard.seconds >= MUCH_MISSING) {
    const seconds = rounded(claimedSeconds - heard.seconds);
    warnings.push({ code: 'cut_off', seconds, detail: `it should be ${seconds} s longer: upload it again` });
  }
  if (levelledDb !== null && levelledDb < QUIET) {
    warnings.push({ code: 'quiet', detail: `it will be played at ${Math.round(levelledDb)} LUFS only` });
  }
  return warnings;
}

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
