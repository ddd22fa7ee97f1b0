import { mayShow } from '../calls/sip-account.js';
import type { CallingWindow } from '../calls/window.js';
import type { Db } from '../db/pool.js';
import type { Tenant } from '../db/tenants.js';
import { findTrunkById, type Trunk } from '../db/trunks.js';
import { type FieldError, FieldsInvalid } from './problem.js';

/** A calling window with its zone, which is the tenant's when it names none. Throws a FieldsInvalid when he has none either. */
export function inZone(
  window: (Omit<CallingWindow, 'zone'> & { zone?: string | undefined }) | null,
  { time_zone }: Tenant,
): CallingWindow | null {
  if (!window) return null;
  const zone = window.zone ?? time_zone;
  if (zone !== null) return { ...window, zone };
  const message = 'is required: the tenant has no time_zone of its own';
  throw new FieldsInvalid([{ field: '/calling_window/zone', message }]);
}

/** Throws a FieldsInvalid when a campaign would end before it starts. */
export function checkTimes({ start_at, end_at }: { start_at: Date | null; end_at: Date | null }): void {
  if (!end_at || (start_at ?? new Date(0)) < end_at) return;
  throw new FieldsInvalid([{ field: '/end_at', message: 'must be after start_at' }]);
}

/** Runs `work`, which gives a campaign trunks and a message that were checked. They may be deleted before it is done. */
export async function withTrunks<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const constraint = error instanceof Error && 'constraint' in error ? error.constraint : null;
    if (constraint === 'trunk_of_a_campaign')
      throw new FieldsInvalid([{ field: '/trunk_ids', message: 'names a trunk that has just been deleted' }]);
    if (constraint === 'message_of_a_campaign')
      throw new FieldsInvalid([
        { field: '/message_id', message: 'names a message that has just been deleted' },
      ]);
    throw error;
  }
}

/** Trunks that a campaign names and that are none of the tenant's, or may not show its caller id. */
export async function wrongTrunks(
  db: Db,
  tenantId: string,
  named: { trunk_ids?: string[]; caller_id?: string | null },
): Promise<FieldError[]> {
  const ids = named.trunk_ids ?? [];
  const trunks: (Trunk | null)[] = [];
  for (const id of ids) trunks.push(await findTrunkById(db, tenantId, id));
  return [
    ...trunks.flatMap((trunk, i) => (trunk ? [] : [{ field: `/trunk_ids/${i}`, message: 'is no trunk' }])),
    ...trunks
      .filter((trunk) => trunk?.sip && !mayShow(trunk.sip, named.caller_id ?? null))
      .slice(0, 1)
      .map((trunk) => ({
        field: '/caller_id',
        message: `is none of the caller ids that the trunk ${JSON.stringify(trunk!.name)} may show`,
      })),
  ];
}
