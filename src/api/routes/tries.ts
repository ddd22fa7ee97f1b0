import { neededFields } from '../../calls/flow/texts.js';
import { readNumber } from '../../calls/number.js';
import { mayShow } from '../../calls/sip-account.js';
import { notifyDue } from '../../db/campaigns.js';
import { shareFlow } from '../../db/flows.js';
import type { Db, Tx } from '../../db/pool.js';
import type { Tenant } from '../../db/tenants.js';
import { findTryById, insertTry, lockRecentTries, type Try } from '../../db/tries.js';
import { findTrunkById } from '../../db/trunks.js';
import { CampanileError } from '../../errors.js';
import { escapeKey } from '../check.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route } from '../route.js';
import { newTry, tryOfFlow } from '../schemas/try.js';
import { showAttempt } from './attempts.js';

const MOST_A_MINUTE = 10;
const RING_SECONDS = 30;

export const tryFlow = route({
  method: 'post',
  path: '/v1/flows/{id}/try',
  access: 'tenant',
  summary: 'Call one number now to try a call flow; follow it at /v1/tries/{id}',
  body: newTry,
  status: 201,
  location: '/v1/tries/{id}',
  answer: tryOfFlow,
  problems: ['too_many_tries'],
  handle: ({ change, tenant, id, body }) =>
    change(async (tx) => {
      const flow = await shareFlow(tx, tenant.id, id, body.version ?? null);
      if (!flow) throw notFound(body.version === undefined ? 'flow' : 'version of a flow');
      await checkTrunk(tx, tenant.id, body);
      checkFields(neededFields(flow.definition), body.fields);
      const { number, zones } = readTried(body.number, tenant);
      await checkRate(tx, tenant.id);
      const settings = {
        flow_id: id,
        flow_version: flow.version,
        trunk_id: body.trunk_id,
        caller_id: body.caller_id,
        test: body.test,
        ring_seconds: RING_SECONDS,
      };
      const begun = await insertTry(tx, tenant.id, settings, {
        number,
        zones,
        fields: body.fields,
        time_zone: null,
        priority: 9,
        consent_basis: null,
        consent_source: null,
        consent_at: null,
      });
      await notifyDue(tx);
      return showTry((await findTryById(tx, tenant.id, begun))!);
    }),
});

export const getTry = route({
  method: 'get',
  path: '/v1/tries/{id}',
  access: 'tenant',
  summary: 'How a try of a call flow goes, or went: kept for seven days',
  answer: tryOfFlow,
  async handle({ db, tenant, id }) {
    const found = await findTryById(db, tenant.id, id);
    if (!found) throw notFound('try');
    return showTry(found);
  },
});

function showTry({ attempt, ...found }: Try) {
  const steps = found.steps?.map((step) => ({ ...step })) ?? null;
  return { ...found, steps, attempt: attempt && showAttempt(attempt) };
}

async function checkTrunk(
  db: Db,
  tenantId: string,
  { trunk_id, caller_id }: { trunk_id: string; caller_id: string | null },
): Promise<void> {
  const trunk = await findTrunkById(db, tenantId, trunk_id);
  if (!trunk) throw new FieldsInvalid([{ field: '/trunk_id', message: 'is no trunk' }]);
  if (!trunk.sip || mayShow(trunk.sip, caller_id)) return;
  throw new FieldsInvalid([
    { field: '/caller_id', message: 'is none of the caller ids that the trunk may show' },
  ]);
}

function checkFields(needed: readonly string[], fields: Readonly<Record<string, unknown>>): void {
  const missing = needed.filter((name) => !Object.hasOwn(fields, name));
  if (missing.length === 0) return;
  throw new FieldsInvalid(
    missing.map((name) => ({ field: `/fields/${escapeKey(name)}`, message: 'is required by the flow' })),
  );
}

function readTried(text: string, { default_region }: Tenant): { number: string; zones: string } {
  const read = readNumber(text, default_region);
  if (read) return { number: read.number, zones: [...read.zones].sort().join(' ') };
  throw new FieldsInvalid([{ field: '/number', message: 'is no phone number that can be dialled' }]);
}

async function checkRate(tx: Tx, tenantId: string): Promise<void> {
  if ((await lockRecentTries(tx, tenantId)) < MOST_A_MINUTE) return;
  throw new CampanileError('too_many_tries', `at most ${MOST_A_MINUTE} tries a minute: wait a little`, {
    retryAfterSeconds: 60,
  });
}
