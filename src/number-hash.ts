import { createHmac, hkdfSync } from 'node:crypto';

/** What is kept of an erased person's number, so that it is known again: 32 bytes that tell nobody without the key what it was. */
export type HashNumber = (number: string) => Buffer;

/**
 * HMAC-SHA256 (RFC 2104) of a number in E.164, under a key derived from the installation's secret (RFC 5869). A plain hash would
 * not do: there are few enough numbers to try them all.
 */
export function createNumberHash(secret: Uint8Array): HashNumber {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'campanile erased number', 32));
  return (number) => createHmac('sha256', key).update(number).digest();
}
