/** What is done with a machine that answers. */
export const MACHINE_ACTIONS = ['hang_up', 'leave_message', 'continue'] as const;
export type MachineAction = (typeof MACHINE_ACTIONS)[number];

/** The settings of Asterisk's AMD() in its order, by the names of amd.conf; milliseconds unless it says otherwise. */
const AMD_ORDER = [
  'initial_silence',
  'greeting',
  'after_greeting_silence',
  'total_analysis_time',
  'minimum_word_length',
  'between_words_silence',
  'maximum_number_of_words',
  'silence_threshold',
  'maximum_word_length',
] as const;
export type AmdSetting = (typeof AMD_ORDER)[number];

/** Those of the amd.conf that comes with Asterisk: what an admin has in his must not change what a campaign does. */
export const AMD_DEFAULTS: Readonly<Record<AmdSetting, number>> = {
  initial_silence: 2500,
  greeting: 1500,
  after_greeting_silence: 800,
  total_analysis_time: 5000,
  minimum_word_length: 100,
  between_words_silence: 50,
  /** Words. */
  maximum_number_of_words: 2,
  /** The mean level of a frame, of 32,767. */
  silence_threshold: 256,
  maximum_word_length: 5000,
};

/**
 * How long a machine is to be silent until its greeting and beep are taken to be over, in milliseconds: longer than most pause
 * before the beep, and shorter than most wait for somebody to speak. And how long that is waited for at most.
 */
export const BEEP_DEFAULTS = { beep_silence: 2000, beep_limit: 60_000 } as const;

/** How a campaign tells machines from persons, and what it does with them. */
export interface MachineDetection extends Record<AmdSetting, number> {
  action: MachineAction;
  /** What is left after the beep; null unless the action is that. */
  message_id: string | null;
  beep_silence: number;
  beep_limit: number;
}

/** The arguments of AMD(). */
export function amdArguments(settings: Readonly<Record<AmdSetting, number>>): string {
  return AMD_ORDER.map((name) => settings[name]).join(',');
}

/** Who answered, by what was heard. `unsure` is treated as a person; `hung_up`: the call ended before that was decided. */
export const MACHINE_STATUSES = ['person', 'machine', 'unsure', 'hung_up'] as const;
export type MachineStatus = (typeof MACHINE_STATUSES)[number];

/** What AMD decided, why and after how long; and, where a message was to be left, what came of waiting for the beep. */
export interface MachineVerdict {
  status: MachineStatus;
  /** AMD's own word: LONGGREETING, MAXWORDS, INITIALSILENCE, HUMAN, TOOLONG ...; null when it gave none. */
  cause: string | null;
  /** The figure that decided, and the setting that it was compared with: milliseconds, or words of MAXWORDS. */
  measured: number | null;
  limit: number | null;
  /** Milliseconds from the answer to the verdict. */
  after_ms: number;
  /** What is done with a machine; null with anybody else. */
  action: MachineAction | null;
  /** Milliseconds from the verdict until greeting and beep were over; null where that was not waited for. */
  beep_after_ms: number | null;
  /** `over`: silence showed that they were; `limit`: the time was up. */
  beep: 'over' | 'limit' | null;
}

const STATUS_OF: Readonly<Record<string, MachineStatus>> = {
  HUMAN: 'person',
  MACHINE: 'machine',
  NOTSURE: 'unsure',
  HANGUP: 'hung_up',
};

/**
 * The verdict in AMDSTATUS and AMDCAUSE, such as `LONGGREETING-1500-1500` or `TOOLONG-5000`. AMD leaves both empty when it could
 * not listen: then nobody knows.
 */
export function readVerdict(
  status: string | null,
  cause: string | null,
  afterMs: number,
  action: MachineAction,
): MachineVerdict {
  const decided = STATUS_OF[status ?? ''] ?? 'unsure';
  const [, name, measured, limit] = /^([A-Z]{1,40})(?:-(\d{1,9}))?(?:-(\d{1,9}))?$/.exec(cause ?? '') ?? [];
  return {
    status: decided,
    cause: name ?? null,
    measured: measured === undefined ? null : Number(measured),
    limit: limit === undefined ? null : Number(limit),
    after_ms: afterMs,
    action: decided === 'machine' ? action : null,
    beep_after_ms: null,
    beep: null,
  };
}
