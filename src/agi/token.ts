import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';

/**
 * Tokens that prove a FastAGI request comes from a call file of ours: HMAC-SHA256 of the call id under a key derived
 * from the installation's secret (RFC 5869), so that nothing needs to be stored and a restart knows them all.
 */
export interface CallTokens {
  tokenFor(callId: string): string;
  isTokenFor(callId: string, token: string): boolean;
}

/** In place of a call id: the token that admits calls to `/inbound`, which an admin puts into his dialplan. No call id is like it. */
export const INBOUND = 'inbound';

export function createCallTokens(secret: Buffer): CallTokens {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'campanile call token', 32));
  // 24 bytes: 192 bits are beyond guessing, and 32 characters of base64url need no padding.
  const mac = (callId: string) => createHmac('sha256', key).update(callId).digest().subarray(0, 24);
  return {
    tokenFor: (callId) => mac(callId).toString('base64url'),
    isTokenFor: (callId, token) => {
      const given = Buffer.from(token, 'base64url');
      return given.length === 24 && timingSafeEqual(given, mac(callId));
    },
  };
}
