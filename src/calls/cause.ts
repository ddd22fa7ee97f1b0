import type { Disposition } from './states.js';

/**
 * Why an attempt could not reach anybody, for a person to act on, where what was heard of it tells: the credentials of the
 * trunk, or a far end that never answers. Null for all else, the callee's own doings included.
 */
export function causeOf(attempt: {
  disposition: Disposition | null;
  sip_status: number | null;
}): string | null {
  if (attempt.disposition !== 'unreachable') return null;
  const { sip_status } = attempt;
  if (sip_status === 401 || sip_status === 407) {
    return `the carrier does not take the trunk's user or password (SIP ${sip_status})`;
  }
  if (sip_status === 0) return 'the carrier did not answer: not one SIP response came';
  return null;
}
