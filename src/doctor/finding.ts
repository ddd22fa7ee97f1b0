/** What one step of the doctor found. `note` is for what may be missing without harm. */
export interface Finding {
  step: string;
  result: 'ok' | 'failed' | 'skipped' | 'note';
  /** What was found, as a sentence without its dot. */
  detail: string;
  /** What to do about it, when it failed; each is a command or a sentence. */
  remedy: readonly string[];
}

export const ok = (step: string, detail: string): Finding => ({ step, result: 'ok', detail, remedy: [] });

export const failed = (step: string, detail: string, ...remedy: string[]): Finding => ({
  step,
  result: 'failed',
  detail,
  remedy,
});

export const skipped = (step: string, detail: string): Finding => ({
  step,
  result: 'skipped',
  detail,
  remedy: [],
});

export const note = (step: string, detail: string, ...remedy: string[]): Finding => ({
  step,
  result: 'note',
  detail,
  remedy,
});
