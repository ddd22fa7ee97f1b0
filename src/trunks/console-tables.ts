import type { RegistrationState } from '../calls/sip-account.js';

const STATES: Readonly<Record<string, RegistrationState>> = {
  Registered: 'registered',
  Rejected: 'rejected',
  Unregistered: 'unregistered',
  Stopped: 'unregistered',
  Stopping: 'unregistered',
};

/**
 * Reads what `pjsip show registrations` prints (Asterisk 16 and 22), by the name of the registration. A line is
 *
 *     <name>/<server URI, cut off>  <auth>  <state>  (exp. <seconds>s)
 */
export function parseRegistrations(text: string): Map<string, RegistrationState> {
  const states = new Map<string, RegistrationState>();
  for (const line of text.split('\n')) {
    const [, name, state = ''] = /^ ([\w-]+)\/\S+\s+\S+\s+(\w+)/.exec(line) ?? [];
    if (name) states.set(name, STATES[state] ?? 'unknown');
  }
  return states;
}

/**
 * Reads the protocols in what `pjsip list transports` prints (Asterisk 16 and 22). A line is
 *
 *     Transport:  <name>  <protocol>  <cos>  <tos>  <address>
 */
export function parseTransports(text: string): Set<string> {
  const lines = text.matchAll(/^Transport:\s+\S+\s+([a-z]+)\s+\d/gm);
  return new Set([...lines].map((match) => match[1]!));
}
