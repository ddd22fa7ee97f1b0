import { KeyObject } from 'node:crypto';
import { createRemoteJWKSet, customFetch, errors, type FetchImplementation } from 'jose';
import jwt from 'jsonwebtoken';
import { CampanileError, messageOf } from '../errors.js';
import { invalidToken, type Principal, verifyWith } from './token.js';

/** Whose tokens are believed beside our own: what they carry as `iss` and `aud`, and where the keys are (RFC 7517). */
export interface OutsideIssuer {
  issuer: string;
  audience: string;
  jwksUrl: string;
}

// Public keys only: with HS256 among them, whoever knows the public key could sign with it.
const ALGORITHMS: jwt.Algorithm[] = ['RS256', 'ES256'];
const SECOND = 1000;
/** How long keys are believed without asking again: a key that the issuer takes back is good for so long. */
const KEYS_AGE_MS = 600 * SECOND;
/** An unknown kid may be a new key's; asked for at most so often, because anybody can send unknown ones. */
const UNKNOWN_KID_PAUSE_MS = 30 * SECOND;
const FAILURE_PAUSE_SECONDS = 5;
const ANSWER_MS = 5 * SECOND;
/** The issuer's clock is not ours: a token made this moment may say that it is good from the next second on. */
const CLOCK_TOLERANCE_SECONDS = 10;

/**
 * Reads tokens of an outside issuer, with its keys by `kid`. Throws a CampanileError: `token_invalid` (401), or
 * `issuer_unavailable` (503) while the keys cannot be had, which is not the caller's fault.
 */
export function createOutsideVerifier({ issuer, audience, jwksUrl }: OutsideIssuer) {
  const keyOf = createRemoteJWKSet(new URL(jwksUrl), {
    cacheMaxAge: KEYS_AGE_MS,
    cooldownDuration: UNKNOWN_KID_PAUSE_MS,
    timeoutDuration: ANSWER_MS,
    [customFetch]: restAfterFailure(),
  });
  const options = { algorithms: ALGORITHMS, issuer, audience, clockTolerance: CLOCK_TOLERANCE_SECONDS };

  return async (token: string): Promise<Principal> => {
    const { alg, kid } = jwt.decode(token, { complete: true })?.header ?? {};
    // Before any key is asked for: what can be seen to be wrong must not make us ask the issuer.
    if (!ALGORITHMS.some((algorithm) => algorithm === alg)) throw invalidToken();
    const key = await keyOf({ alg: alg!, ...(kid === undefined ? {} : { kid }) }).catch((cause) => {
      throw isOfToken(cause) ? invalidToken() : unavailable(cause);
    });
    return verifyWith(KeyObject.from(key), token, options);
  };
}

function isOfToken(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys;
}

function unavailable(cause: unknown): CampanileError {
  return new CampanileError(
    'issuer_unavailable',
    'the keys of the outside issuer cannot be had: try again later',
    {
      retryAfterSeconds: FAILURE_PAUSE_SECONDS,
      cause,
    },
  );
}

/** A fetch that, once it failed, fails for a while without asking: a burst of requests must not knock as often. */
function restAfterFailure(): FetchImplementation {
  let failure: { error: unknown; until: number } | undefined;
  return async (url, options) => {
    const pause = failure ? failure.until - Date.now() : 0;
    // A longer one than there is: the clock was set back.
    if (failure && pause > 0 && pause <= FAILURE_PAUSE_SECONDS * SECOND) throw failure.error;
    try {
      const response = await fetch(url, options);
      if (response.status !== 200) throw new Error(`it answered ${response.status}, not 200`);
      return response;
    } catch (cause) {
      const error = new Error(`cannot fetch ${url}: ${messageOf(cause)}`, { cause });
      failure = { error, until: Date.now() + FAILURE_PAUSE_SECONDS * SECOND };
      throw error;
    }
  };
}
