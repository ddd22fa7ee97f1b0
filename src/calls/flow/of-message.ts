import type { Flow, Key } from './schema.js';

/** The flow of a campaign that has a message and none of its own: it is played, and any key ends it. */
export function flowOfMessage(messageId: string, optOutKey: Key | null): Flow {
  return {
    start: 'message',
    language: 'en',
    opt_out_key: optOutKey,
    steps: { message: { type: 'play', message: messageId, any_key_ends: true } },
  };
}

/** What is left on a machine instead of `flow`. A person whom it was taken for can still say that he wants no more calls. */
export function leaveMessage(messageId: string, { language, opt_out_key }: Flow): Flow {
  return {
    start: 'machine_message',
    language,
    opt_out_key,
    steps: { machine_message: { type: 'play', message: messageId, any_key_ends: false } },
  };
}
