import type { Logger } from '../../log.js';
import { onceAMinute } from '../once-a-minute.js';
import type { AgiSession } from '../session.js';
import type { CallTokens } from '../token.js';

/** Tells which call a request is about, if it may be believed. */
export interface Admission {
  /** The call id, null when the request lacks the token of it. What is refused is logged once a minute. */
  callOf(session: AgiSession): string | null;
  /** To be called for a request with a right token about a call that is not open here. */
  refuse(session: AgiSession, reason: string): void;
}

/** Every script's first two arguments are CAMPANILE_CALL and CAMPANILE_TOKEN: see `dialplan/campanile.conf`. */
export function createAdmission(tokens: CallTokens, log: Logger): Admission {
  const limited = onceAMinute(log);
  const refuse = (session: AgiSession, reason: string) =>
    limited(
      'warn',
      `refused:${reason}`,
      { script: session.request.script, reason },
      'refused a FastAGI request',
    );
  return {
    callOf(session) {
      const [callId, token] = session.request.args;
      if (callId && token && tokens.isTokenFor(callId, token)) {
        session.admit();
        return callId;
      }
      refuse(session, callId && token ? 'the token is not that of the call' : 'it names no call and token');
      return null;
    },
    refuse,
  };
}
