import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { CampanileError } from './errors.js';

/**
 * Keeps passwords of trunks unreadable in the database: AES-256-GCM (NIST SP 800-38D) under a key derived from the
 * installation's secret (RFC 5869), bound to the trunk, so that a sealed password moved to another one opens nowhere.
 */
export interface PasswordSeal {
  seal(tenantId: string, trunkId: string, password: string): Buffer;
  /** Throws a CampanileError (`password_sealed`), which says what to do and holds nothing of the password. */
  open(tenantId: string, trunkId: string, sealed: Buffer): string;
}

// version (1 byte), nonce (12), tag (16), ciphertext
const VERSION = 1;
const NONCE = 12;
const TAG = 16;

export function createPasswordSeal(secret: Uint8Array): PasswordSeal {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'campanile trunk password', 32));
  const about = (tenantId: string, trunkId: string) => Buffer.from(`${tenantId}.${trunkId}`);
  return {
    seal(tenantId, trunkId, password) {
      const nonce = randomBytes(NONCE);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(about(tenantId, trunkId));
      const text = Buffer.concat([cipher.update(password, 'utf8'), cipher.final()]);
      return Buffer.concat([Buffer.from([VERSION]), nonce, cipher.getAuthTag(), text]);
    },
    open(tenantId, trunkId, sealed) {
      try {
        if (sealed[0] !== VERSION) throw new Error('it is of no version that is known here');
        const nonce = sealed.subarray(1, 1 + NONCE);
        const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG });
        decipher.setAAD(about(tenantId, trunkId));
        decipher.setAuthTag(sealed.subarray(1 + NONCE, 1 + NONCE + TAG));
        const text = [decipher.update(sealed.subarray(1 + NONCE + TAG)), decipher.final()];
        return Buffer.concat(text).toString('utf8');
      } catch (cause) {
        throw new CampanileError(
          'password_sealed',
          `cannot read the password of trunk ${trunkId}: it was stored under another CAMPANILE_SECRET, or for another trunk; set it again with PATCH /v1/trunks/${trunkId}`,
          { cause },
        );
      }
    },
  };
}
