import { describe, expect, it } from 'vitest';
import { type CallOutcome, dispositionOf } from '../../src/calls/disposition.js';

const expired: CallOutcome = {
  sipStatus: null,
  hangupCause: null,
  dialStatus: null,
  archiveStatus: 'Expired',
  sawAnswer: false,
  sawMachine: false,
  sawChannel: true,
};

describe('the disposition of a call', () => {
  it.each([
    [486, 17, 'busy'],
    [600, 17, 'busy'],
    [404, 1, 'invalid_number'],
    [410, 22, 'invalid_number'],
    [484, 28, 'invalid_number'],
    [604, 1, 'invalid_number'],
    [403, 21, 'rejected'],
    [603, 21, 'rejected'],
    [480, 19, 'no_answer'],
    [408, 18, 'no_answer'],
    [487, 0, 'no_answer'],
    [180, 19, 'no_answer'],
    [183, 0, 'no_answer'],
    [401, 21, 'unreachable'],
    [407, 21, 'unreachable'],
    [503, 34, 'congestion'],
    [500, 38, 'congestion'],
    [502, 38, 'congestion'],
    [504, 102, 'congestion'],
    [488, 58, 'failed'],
    [302, 23, 'unreachable'],
    [0, 19, 'unreachable'],
  ] as const)('follows SIP %i with cause %i: %s', (sipStatus, hangupCause, disposition) => {
    expect(dispositionOf({ ...expired, sipStatus, hangupCause })).toBe(disposition);
  });

  it('trusts what was seen of an answer over everything else', () => {
    expect(dispositionOf({ ...expired, archiveStatus: 'Completed', sipStatus: 486 })).toBe('answered');
    expect(dispositionOf({ ...expired, sawAnswer: true, archiveStatus: null })).toBe('answered');
  });

  it('takes an unknown SIP status by its cause', () => {
    expect(dispositionOf({ ...expired, sipStatus: 499, hangupCause: 17 })).toBe('busy');
  });

  it('takes a call without SIP by cause, then by what Dial() said', () => {
    expect(dispositionOf({ ...expired, hangupCause: 17, dialStatus: 'CHANUNAVAIL' })).toBe('busy');
    expect(dispositionOf({ ...expired, hangupCause: 0, dialStatus: 'NOANSWER' })).toBe('no_answer');
    expect(dispositionOf({ ...expired, hangupCause: 0, dialStatus: 'CHANUNAVAIL' })).toBe('unreachable');
    expect(dispositionOf({ ...expired, hangupCause: 16, dialStatus: 'CHANUNAVAIL' })).toBe('unreachable');
  });

  it('calls a trunk unreachable that gave no channel, or never said anything', () => {
    expect(dispositionOf({ ...expired, sawChannel: false })).toBe('unreachable');
    expect(dispositionOf({ ...expired, sipStatus: 0, hangupCause: 19 })).toBe('unreachable');
  });

  it('is failed where Asterisk could not read the file, or nothing was heard at all', () => {
    expect(dispositionOf({ ...expired, sawChannel: false, archiveStatus: 'Failed' })).toBe('failed');
    expect(dispositionOf({ ...expired, sawChannel: false, archiveStatus: null })).toBe('failed');
    expect(dispositionOf({ ...expired, hangupCause: 0 })).toBe('failed');
  });
});
