import { expect, it } from 'vitest';
import { causeOf } from '../../src/calls/cause.js';

it('blames the credentials where the carrier demanded others', () => {
  for (const sip_status of [401, 407]) {
    expect(causeOf({ disposition: 'unreachable', sip_status })).toBe(
      `the carrier does not take the trunk's user or password (SIP ${sip_status})`,
    );
  }
});

it('says that the carrier was silent', () => {
  expect(causeOf({ disposition: 'unreachable', sip_status: 0 })).toContain('did not answer');
});

it('says nothing of what the callee did, or of what nobody knows', () => {
  expect(causeOf({ disposition: 'busy', sip_status: 486 })).toBeNull();
  expect(causeOf({ disposition: 'answered', sip_status: 401 })).toBeNull();
  expect(causeOf({ disposition: 'unreachable', sip_status: null })).toBeNull();
  expect(causeOf({ disposition: null, sip_status: null })).toBeNull();
});
