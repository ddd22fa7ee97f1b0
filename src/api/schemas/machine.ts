import { z } from 'zod';
import {
  AMD_DEFAULTS,
  type AmdSetting,
  BEEP_DEFAULTS,
  MACHINE_ACTIONS,
  MACHINE_STATUSES,
} from '../../calls/machine.js';
import { uuid } from './common.js';

const ms = (name: AmdSetting, least: number, most: number, description: string) =>
  z.int().min(least).max(most).default(AMD_DEFAULTS[name]).meta({ description });

/** AMD's settings; the silence that a person may be made to hear is bounded by `total_analysis_time`. */
const amd = {
  initial_silence: ms(
    'initial_silence',
    100,
    15_000,
    'So much silence before anything is said is a machine; ms',
  ),
  greeting: ms('greeting', 100, 15_000, 'A greeting that is longer is a machine’s; ms'),
  after_greeting_silence: ms(
    'after_greeting_silence',
    100,
    5_000,
    'So much silence after it is a person; ms',
  ),
  total_analysis_time: ms('total_analysis_time', 500, 15_000, 'Then it is unsure; ms'),
  minimum_word_length: ms('minimum_word_length', 20, 1_000, 'What is shorter is no word; ms'),
  between_words_silence: ms('between_words_silence', 20, 1_000, 'So much silence ends a word; ms'),
  maximum_number_of_words: ms('maximum_number_of_words', 1, 50, 'More words are a machine’s'),
  silence_threshold: ms('silence_threshold', 1, 32_767, 'What is less loud on average is silence, of 32,767'),
  maximum_word_length: ms('maximum_word_length', 100, 15_000, 'A word that is longer is a machine’s; ms'),
};

export const machineDetection = z
  .strictObject({
    action: z.enum(MACHINE_ACTIONS).meta({
      description:
        'Hang up, leave the message `message_id` after the beep, or go on as with a person: `{call.machine}` tells a flow',
    }),
    message_id: uuid.nullable().default(null).meta({ description: 'With `leave_message`' }),
    ...amd,
    beep_silence: z.int().min(500).max(10_000).default(BEEP_DEFAULTS.beep_silence).meta({
      description: 'After so much silence greeting and beep are over, and the message is left; ms',
    }),
    beep_limit: z
      .int()
      .min(5_000)
      .max(300_000)
      .default(BEEP_DEFAULTS.beep_limit)
      .meta({ description: 'It is left at the latest then, in whole seconds; ms' }),
  })
  .check(({ value, issues }) => {
    if ((value.action === 'leave_message') === (value.message_id !== null)) return;
    const message =
      value.action === 'leave_message' ? 'is required to leave a message' : 'is only for leave_message';
    issues.push({ code: 'custom', input: value.message_id, path: ['message_id'], message });
  })
  .meta({ id: 'MachineDetection', description: 'By Asterisk’s AMD(), whose settings these are' });

export const machineVerdict = z
  .strictObject({
    status: z.enum(MACHINE_STATUSES).meta({
      description: 'Who answered; `unsure` is treated as a person, `hung_up` before it was decided',
    }),
    cause: z.string().nullable().meta({ description: 'AMD’s word', example: 'LONGGREETING' }),
    measured: z.int().nullable().meta({ description: 'The figure that decided' }),
    limit: z.int().nullable().meta({ description: 'The setting that it was compared with' }),
    after_ms: z.int().meta({ description: 'How long it took' }),
    action: z.enum(MACHINE_ACTIONS).nullable().meta({ description: 'What was done with a machine' }),
    beep_after_ms: z
      .int()
      .nullable()
      .meta({ description: 'How long after that its greeting and beep were over' }),
    beep: z
      .enum(['over', 'limit'])
      .nullable()
      .meta({ description: '`limit`: it was not silent in time, and the message was left all the same' }),
  })
  .meta({ id: 'MachineVerdict' });
