import type { SpokenText } from '../../calls/flow/spoken.js';

/** What an engine can speak. */
export interface Voices {
  /** BCP 47 in small letters. */
  languages: { language: string; name: string }[];
  voices: { voice: string; name: string; gender: 'male' | 'female' | null }[];
}

/** A program that speaks. All of it throws a CampanileError `speech_failed`, or `speech_missing` when it is not there. */
export interface SpeechEngine {
  /** `espeak-ng` or `command`. */
  readonly name: string;
  /** What speaks the same text in the same way has the same: name and version, or the command line. */
  identify(): Promise<string>;
  /** Null when only the engine knows, as it speaks. */
  voices(): Promise<Voices | null>;
  /** Writes a WAV file to `output`, or removes itself when `signal` is aborted. */
  speak(text: SpokenText, output: string, signal: AbortSignal): Promise<void>;
}
