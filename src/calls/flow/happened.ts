import type { Step } from './schema.js';

/** One thing that happened in a call, as it is recorded of its attempt and shown to the tenant. */
export interface Happened {
  /** When the step began, ISO 8601 in UTC with milliseconds. */
  at: string;
  /** The step's name in the flow. */
  step: string;
  type: Step['type'];
  /** Seconds of its prompts that were heard. */
  heard_seconds?: number;
  /** Every key that was heard; `x` for each where they are secret. */
  pressed?: { at: string; key: string }[];
  /** What was collected; stars when it is secret. */
  digits?: string;
  /** How it ended, in one word, where there is more than one way: `timeout`, `wrong_key`, `connected`, `hung_up` ... */
  outcome?: string;
  /** Why it failed, for a person: of a webhook. */
  reason?: string;
  /** The id of what was recorded, and its length. */
  recording?: string;
  recorded_seconds?: number;
  /** Of a transfer: seconds that the callee talked there, where the PBX tells. */
  talked_seconds?: number;
}

/** What a flow kept under a name. */
export type Answers = Record<string, string>;
