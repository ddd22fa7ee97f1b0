import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { CampanileError } from '../src/errors.js';
import { createPasswordSeal } from '../src/seal.js';

const secret = randomBytes(32);
const { seal, open } = createPasswordSeal(secret);

function refusal(work: () => unknown): CampanileError {
  try {
    work();
  } catch (error) {
    return error as CampanileError;
  }
  throw new Error('it was opened');
}

it('opens what it sealed, for the same trunk', () => {
  const sealed = seal('tenant', 'trunk', 'pässword');
  expect(open('tenant', 'trunk', sealed)).toBe('pässword');
  expect(createPasswordSeal(Buffer.from(secret)).open('tenant', 'trunk', sealed)).toBe('pässword');
  expect(sealed.includes('ssword')).toBe(false);
  expect(seal('tenant', 'trunk', 'pässword')).not.toEqual(sealed);
});

it('does not open what was moved to another trunk or tenant, or sealed under another secret', () => {
  const sealed = seal('tenant', 'trunk', 'password');
  const other = createPasswordSeal(randomBytes(32));
  for (const work of [
    () => open('tenant', 'other', sealed),
    () => open('other', 'trunk', sealed),
    () => other.open('tenant', 'trunk', sealed),
  ]) {
    const error = refusal(work);
    expect(error.code).toBe('password_sealed');
    expect(error.message).toContain('it was stored under another CAMPANILE_SECRET, or for another trunk');
    expect(error.message).toContain('set it again with PATCH /v1/trunks/');
  }
});

it('does not open what was changed in any byte, or cut off', () => {
  const sealed = seal('tenant', 'trunk', 'password');
  for (let i = 0; i < sealed.length; i += 1) {
    const changed = Buffer.from(sealed);
    changed[i]! ^= 1;
    expect(refusal(() => open('tenant', 'trunk', changed)).code).toBe('password_sealed');
    expect(refusal(() => open('tenant', 'trunk', sealed.subarray(0, i))).code).toBe('password_sealed');
  }
});
