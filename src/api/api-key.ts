import { createHash, randomBytes } from 'node:crypto';

// `cmp_` and 32 random bytes in base64url. The mark is what secret scanners look for: cmp_[A-Za-z0-9_-]{43}
const MARK = 'cmp_';
const SHOWN = MARK.length + 8;

/** A new key, what it is recognised by, and what is stored of it: its SHA-256 in hex. */
export function newApiKey(): { key: string; prefix: string; sha256: string } {
  const key = MARK + randomBytes(32).toString('base64url');
  return { key, prefix: key.slice(0, SHOWN), sha256: hashOfKey(key) };
}

/** Whether a bearer token is meant to be a key. */
export function looksLikeApiKey(token: string): boolean {
  return token.startsWith(MARK);
}

/** Hex SHA-256. Not a slow hash: those are for secrets that can be guessed, and nobody guesses 32 random bytes. */
export function hashOfKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
