import { type CallFile, type DirectiveKey, directiveOf } from '../spool/call-file.js';

/** What a call file asks the PBX for, with pbx_spool.c's own defaults for what it leaves out. */
export interface CallOrder {
  route: Route;
  callerId: { name: string; number: string };
  context: string;
  /** Seconds. */
  waitTime: number;
  /** Seconds. */
  retryTime: number;
  maxRetries: number;
  /** Tries that the file's diary says are over. */
  retries: number;
  /** The pid of the PBX that began the last one; 0 when none is under way. */
  callingPid: number;
  archive: boolean;
  /** From `Set`, without the underscores that only say who inherits them. */
  variables: Map<string, string>;
}

/**
 * Where a call goes: to a PJSIP endpoint, through a context of an admin's dialplan, or to a context that the PBX serves
 * itself. Null when this PBX has no such channel.
 */
export type Route =
  | { by: 'pjsip'; number: string; trunk: string }
  | { by: 'dialplan'; number: string; trunk: string }
  | { by: 'doctor' }
  | null;

/** Reads what a parsed call file asks for; null when it lacks the channel or what to do once it is answered. */
export function readOrder(file: CallFile): CallOrder | null {
  const of = (key: Exclude<DirectiveKey, 'Set'>) => directiveOf(file, key) ?? '';
  const channel = of('Channel');
  if (!/^[^/]+\/./s.test(channel) || (of('Extension') === '' && of('Application') === '')) return null;
  const variables = readVariables(file);
  return {
    route: routeOf(channel, variables),
    callerId: splitCallerId(of('CallerID')),
    context: of('Application') === '' ? of('Context') : '',
    waitTime: positive(of('WaitTime'), 45),
    retryTime: positive(of('RetryTime'), 300),
    maxRetries: Number.parseInt(of('MaxRetries'), 10) || 0,
    archive: isArchived(file),
    variables,
    ...readDiary(file),
  };
}

/** Whether the file is kept in outgoing_done/ when it is over; ast_true() in main/utils.c reads the word. */
export function isArchived(file: CallFile): boolean {
  return /^(yes|true|y|t|1|on)$/i.test(directiveOf(file, 'Archive') ?? '');
}

function routeOf(channel: string, variables: Map<string, string>): Route {
  const pjsip = /^PJSIP\/([^@/]*)@([^@/]+)$/i.exec(channel);
  if (pjsip) return { by: 'pjsip', number: pjsip[1]!, trunk: pjsip[2]! };
  const local = /^Local\/([^@/]*)@([^@/]+)(?:\/[a-z]*)?$/i.exec(channel);
  if (local?.[2] === 'campanile-routed') {
    return { by: 'dialplan', number: local[1]!, trunk: variables.get('CAMPANILE_ROUTE') ?? '' };
  }
  return local?.[2] === 'campanile-doctor' ? { by: 'doctor' } : null;
}

function readVariables(file: CallFile): Map<string, string> {
  const variables = new Map<string, string>();
  for (const { key, value } of file.directives) {
    if (key !== 'Set') continue;
    const equals = value.indexOf('=');
    variables.set(value.slice(0, equals).replace(/^__?/, ''), value.slice(equals + 1));
  }
  return variables;
}

/** As apply_outgoing() in pbx_spool.c counts: a `StartRetry` is under way until an `EndRetry` or `AbortRetry`. */
function readDiary(file: CallFile): { retries: number; callingPid: number } {
  let retries = 0;
  let callingPid = 0;
  for (const { key, pid } of file.diary) {
    if (key === 'StartRetry') callingPid = pid;
    if (key === 'EndRetry' || key === 'AbortRetry') {
      callingPid = 0;
      retries += 1;
    }
  }
  return { retries, callingPid };
}

function splitCallerId(text: string): { name: string; number: string } {
  const [, name, number] = /^\s*"?([^"<]*?)"?\s*<([^>]*)>/.exec(text) ?? [];
  return number === undefined ? { name: '', number: text } : { name: name ?? '', number };
}

function positive(text: string, otherwise: number): number {
  const number = Number.parseInt(text, 10);
  return number >= 1 ? number : otherwise;
}
