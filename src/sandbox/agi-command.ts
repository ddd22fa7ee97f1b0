import { amd, waitForSilence } from './agi-amd.js';
import { connect, recordFile } from './agi-talk.js';
import { BY_DIALPLAN, type Channel } from './channel.js';
import { soundOf } from './wav.js';

/** The reply to a command, without its line feed; null when Asterisk gives none. `failed`: AGISTATUS becomes FAILURE. */
export interface AgiReply {
  text: string | null;
  failed?: boolean;
}

interface Command {
  /** Whether it works on a channel that is hung up: the table at the end of res/res_agi.c. */
  dead: boolean;
  /** How many arguments it takes. */
  takes: [least: number, most: number];
  usage: string;
  run(channel: Channel, args: readonly string[]): AgiReply | Promise<AgiReply>;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  ANSWER: { dead: false, takes: [0, 0], usage: 'ANSWER', run: () => ok(0) },
  'CHANNEL STATUS': { dead: false, takes: [0, 1], usage: 'CHANNEL STATUS [CHANNELNAME]', run: () => ok(6) },
  'CONTROL STREAM FILE': {
    dead: false,
    takes: [2, 7],
    usage: 'CONTROL STREAM FILE FILENAME ESCAPE_DIGITS [SKIPMS] [FFCHAR] [REWCHR] [PAUSECHR] [OFFSETMS]',
    run: controlStreamFile,
  },
  EXEC: { dead: true, takes: [1, 99], usage: 'EXEC APPLICATION OPTIONS', run: execute },
  'GET VARIABLE': { dead: true, takes: [1, 1], usage: 'GET VARIABLE VARIABLENAME', run: getVariable },
  HANGUP: { dead: false, takes: [0, 1], usage: 'HANGUP [CHANNELNAME]', run: hangUp },
  NOOP: { dead: true, takes: [0, 99], usage: 'NOOP', run: () => ok(0) },
  'RECORD FILE': {
    dead: false,
    takes: [4, 7],
    usage: 'RECORD FILE FILENAME FORMAT ESCAPE_DIGITS TIMEOUT [OFFSET_SAMPLES] [BEEP] [S=SILENCE]',
    run: record,
  },
  'SET VARIABLE': { dead: true, takes: [2, 2], usage: 'SET VARIABLE VARIABLENAME VALUE', run: setVariable },
  VERBOSE: { dead: true, takes: [1, 2], usage: 'VERBOSE MESSAGE LEVEL', run: () => ok(1) },
  'WAIT FOR DIGIT': { dead: false, takes: [1, 1], usage: 'WAIT FOR DIGIT TIMEOUT', run: waitForDigit },
};

const LONGEST_NAME = 3;
/** Longer than any call; a timer takes no more than 2^31 ms. */
const FOREVER_MS = 86_400_000;

/** Does a command line as agi_handle_command() in res_agi.c does: 510, 511 and 520 are replies too. */
export function runCommand(channel: Channel, line: string, dead: boolean): AgiReply | Promise<AgiReply> {
  const words = splitArguments(line);
  for (let length = Math.min(LONGEST_NAME, words.length); length > 0; length -= 1) {
    const command = COMMANDS[words.slice(0, length).join(' ').toUpperCase()];
    if (!command) continue;
    if (dead && !command.dead) return { text: '511 Command Not Permitted on a dead channel' };
    const args = words.slice(length);
    if (args.length < command.takes[0] || args.length > command.takes[1]) return usage(command);
    return command.run(channel, args);
  }
  return { text: '510 Invalid or unknown command' };
}

/** Splits a command as parse_args() in res_agi.c does: quotes group, a backslash takes the next character as it is. */
export function splitArguments(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at]!;
    if (character === '"') {
      quoted = !quoted;
      word ??= '';
    } else if ((character === ' ' || character === '\t') && !quoted) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      if (character === '\\') at += 1;
      word = (word ?? '') + (line[at] ?? '');
    }
  }
  if (word !== null) words.push(word);
  return words;
}

function ok(result: number): AgiReply {
  return { text: `200 result=${result}` };
}

function usage(command: Command): AgiReply {
  return {
    text: `520-Invalid command syntax.  Proper usage follows:\nUsage: ${command.usage}\n520 End of proper usage.`,
  };
}

/** Functions are not kept: the only one that FastAGI writes is CHANNEL(), and its handler of transfers is not pretended. */
function setVariable(channel: Channel, [name, value]: readonly string[]): AgiReply {
  if (name!.endsWith(')')) return ok(1);
  channel.variables.set(name!.replace(/^__?/, ''), value!);
  return ok(1);
}

function getVariable(channel: Channel, [name]: readonly string[]): AgiReply {
  const value = channel.variables.get(name!);
  return value === undefined ? ok(0) : { text: `200 result=1 (${value})` };
}

function hangUp(channel: Channel): AgiReply {
  channel.hangUp('dialplan/agi');
  return ok(1);
}

/** Goes on when FastAGI says something new, or is gone. The keys that control are those no phone has. */
async function controlStreamFile(channel: Channel, args: readonly string[]): Promise<AgiReply> {
  const [name, keys, , , , , offset] = args;
  const sound = soundOf(name!);
  if (!sound) return { text: '200 result=-1 endpos=-1', failed: true };
  const fromMs = Number.parseInt(offset ?? '', 10) || 0;
  const began = channel.now();
  const leftMs = Math.max(0, (sound.samples / sound.rate) * 1000 - fromMs);
  const how = { interruptible: false, goesOn: fromMs > 0 };
  const waited = await channel.wait(leftMs, keys, how);
  const played = fromMs + Math.round(channel.now() - began);
  if (waited.by === 'hangup') return { text: `200 result=-1 endpos=${played}`, failed: true };
  if (waited.by === 'key') return { text: `200 result=${waited.key.charCodeAt(0)} endpos=${played}` };
  return { text: '200 result=0 endpos=-1' };
}

async function waitForDigit(channel: Channel, [timeout]: readonly string[]): Promise<AgiReply> {
  const ms = Number.parseInt(timeout!, 10);
  if (Number.isNaN(ms)) return usage(COMMANDS['WAIT FOR DIGIT']!);
  const waited = await channel.wait(ms < 0 ? FOREVER_MS : ms, '0123456789*#ABCD');
  if (waited.by === 'hangup') return { text: '200 result=-1', failed: true };
  if (waited.by === 'key') return ok(waited.key.charCodeAt(0));
  return ok(waited.by === 'command' ? 1 : 0);
}

async function record(channel: Channel, args: readonly string[]): Promise<AgiReply> {
  const { text, hungUp } = await recordFile(channel, args);
  return { text, failed: hungUp };
}

/** The applications that a pretended PBX has; -2 says that there is no such one. */
async function execute(channel: Channel, [application, data = '']: readonly string[]): Promise<AgiReply> {
  switch (application!.toLowerCase()) {
    case 'noop':
      return ok(0);
    case 'wait':
      return ok((await channel.wait((Number.parseFloat(data) || 0) * 1000)).by === 'hangup' ? -1 : 0);
    case 'playback': {
      const sound = soundOf(data.split(',')[0]!);
      const waited = sound && (await channel.wait((sound.samples / sound.rate) * 1000));
      return ok(waited?.by === 'hangup' ? -1 : 0);
    }
    case 'amd':
      return ok(await amd(channel));
    case 'waitforsilence':
      return ok(await waitForSilence(channel, data));
    case 'dial':
      return ok(await connect(channel, 'dial'));
    case 'queue':
      return ok(await connect(channel, 'queue'));
    case 'hangup':
      channel.hangUp(BY_DIALPLAN);
      return ok(-1);
    default:
      return ok(-2);
  }
}
