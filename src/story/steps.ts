import type { Happened } from '../calls/flow/happened.js';
import type { MachineVerdict } from '../calls/machine.js';
import { span } from './words.js';

const OUTCOMES: Readonly<Record<string, string>> = {
  hung_up: 'and the call ended there',
  key: 'and a key ended it',
  timeout: 'and no key came in time',
  wrong: 'and the key was a wrong one',
  wrong_key: 'and the key was a wrong one',
  failed: 'and it failed',
  opted_out: 'and the callee opted out',
  silence: 'and nothing was said',
  otherwise: 'by no case of it',
  answered: '',
};

/** What happened in a step of a flow: what was played, heard, said and pressed. */
export function tellStep(entry: Happened): string {
  const { step, type, heard_seconds, pressed, digits, outcome, reason, recorded_seconds, talked_seconds } =
    entry;
  const parts = [
    heard_seconds === undefined ? null : `played ${span(heard_seconds)}`,
    pressed && pressed.length > 0
      ? `heard ${pressed.length === 1 ? 'key' : 'keys'} ${keysOf(pressed)}`
      : null,
    digits === undefined ? null : `collected ${digits}`,
    recorded_seconds === undefined ? null : `recorded ${span(recorded_seconds)}`,
    talked_seconds === undefined ? null : `talked there for ${span(talked_seconds)}`,
  ].filter((part) => part !== null);
  const how = outcome === undefined ? '' : (OUTCOMES[outcome] ?? `: ${outcome}`);
  const why = reason === undefined ? '' : ` (${reason})`;
  const name = step === type ? type : `${type} "${step}"`;
  return `${name}${parts.length > 0 ? ` ${parts.join(', ')}` : ''}${how.startsWith(':') ? how : ` ${how}`}${why}`.trim();
}

const keysOf = (pressed: NonNullable<Happened['pressed']>) => pressed.map(({ key }) => key).join('');

/** Who answered, by AMD. */
export function tellMachine({
  status,
  cause,
  after_ms,
  action,
  beep,
  beep_after_ms,
}: MachineVerdict): string {
  const who = {
    person: 'a person',
    machine: 'a machine',
    unsure: 'unsure who, taken for a person',
    hung_up: 'hung up meanwhile',
  };
  const parts = [
    `${who[status]}, by AMD after ${span(after_ms / 1000)}${cause === null ? '' : ` (${cause})`}`,
    action === 'hang_up' ? 'to be hung up on' : null,
    action === 'leave_message' ? 'to be left a message' : null,
    beep === null
      ? null
      : `greeting and beep ${beep === 'over' ? 'over' : 'waited for no longer'} ${span((beep_after_ms ?? 0) / 1000)} later`,
  ];
  return parts.filter((part) => part !== null).join('; ');
}
