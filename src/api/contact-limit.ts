import { findContactLimit, lockContactLimit } from '../db/contact-limit.js';
import type { Db, Tx } from '../db/pool.js';
import { CampanileError } from '../errors.js';

/** Throws a CampanileError (`contact_limit`, 409) when the contacts that this transaction has added are too many. */
export async function checkContactLimit(tx: Tx, tenantId: string, added: number): Promise<void> {
  if (added === 0) return;
  const limit = await lockContactLimit(tx, tenantId);
  if (!limit || limit.stored <= limit.most) return;
  const before = limit.stored - added;
  throw new CampanileError(
    'contact_limit',
    `the tenant may have ${limit.most} contacts and has ${before}: these ${added} would be ${limit.stored - limit.most} too many, and none was stored`,
  );
}

/** Throws the same when there is room for no contact at all: before a long list is uploaded. */
export async function checkContactRoom(db: Db, tenantId: string): Promise<void> {
  const limit = await findContactLimit(db, tenantId);
  if (!limit || limit.stored < limit.most) return;
  throw new CampanileError(
    'contact_limit',
    `the tenant may have ${limit.most} contacts and has ${limit.stored}: there is room for none`,
  );
}
