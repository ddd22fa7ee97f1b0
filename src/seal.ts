import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { CampanileError, type FaultCode } from './errors.js';

/**
 * Keeps texts unreadable in the database: AES-256-GCM (NIST SP 800-38D) under a key derived from the installation's secret
 * (RFC 5869) for one `purpose`. Each is bound to what it is `about`: moved to another row it opens nowhere.
 */
export interface Seal {
  seal(about: string, text: string): Buffer;
  /** Throws when it was sealed under another secret, for another purpose, or about something else. */
  open(about: string, sealed: Buffer): string;
}

/** Keeps what belongs to one object of a tenant. */
export interface SecretSeal {
  seal(tenantId: string, ownerId: string, text: string): Buffer;
  /** Throws a CampanileError, which says what to do and holds nothing of the secret. */
  open(tenantId: string, ownerId: string, sealed: Buffer): string;
}

// version (1 byte), nonce (12), tag (16), ciphertext
const VERSION = 1;
const NONCE = 12;
const TAG = 16;

/** A key of 32 bytes for one purpose, from the installation's secret. */
export function deriveKey(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', purpose, 32));
}

export function createSeal(secret: Uint8Array, purpose: string): Seal {
  const key = deriveKey(secret, purpose);
  return {
    seal(about, text) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(Buffer.from(about));
      const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.from([VERSION]), nonce, cipher.getAuthTag(), sealed]);
    },
    open(about, sealed) {
      if (sealed[0] !== VERSION) throw new Error('it is of no version that is known here');
      const nonce = sealed.subarray(1, 1 + NONCE);
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
      decipher.setAAD(Buffer.from(about));
      decipher.setAuthTag(sealed.subarray(1 + NONCE, 1 + NONCE + TAG));
      const text = [decipher.update(sealed.subarray(1 + NONCE + TAG)), decipher.final()];
      return Buffer.concat(text).toString('utf8');
    },
  };
}

/** For the passwords of trunks; `open` throws `password_sealed`. */
export function createPasswordSeal(secret: Uint8Array): SecretSeal {
  return createSecretSeal(secret, 'campanile trunk password', {
    code: 'password_sealed',
    message: (id) =>
      `cannot read the password of trunk ${id}: it was stored under another CAMPANILE_SECRET, or for another trunk; set it again with PATCH /v1/trunks/${id}`,
  });
}

/** For the secrets that webhooks are signed with; `open` throws `webhook_secret_sealed`. */
export function createWebhookSeal(secret: Uint8Array): SecretSeal {
  return createSecretSeal(secret, 'campanile webhook secret', {
    code: 'webhook_secret_sealed',
    message: (id) =>
      `cannot read the secret of webhook ${id}: it was stored under another CAMPANILE_SECRET, or for another webhook; make a new one with POST /v1/webhooks/${id}/rotate-secret`,
  });
}

function createSecretSeal(
  secret: Uint8Array,
  purpose: string,
  refusal: { code: FaultCode; message(ownerId: string): string },
): SecretSeal {
  const { seal, open } = createSeal(secret, purpose);
  return {
    seal: (tenantId, ownerId, text) => seal(`${tenantId}.${ownerId}`, text),
    open(tenantId, ownerId, sealed) {
      try {
        return open(`${tenantId}.${ownerId}`, sealed);
      } catch (cause) {
        throw new CampanileError(refusal.code, refusal.message(ownerId), { cause });
      }
    },
  };
}
