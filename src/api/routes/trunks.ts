import { causeOf } from '../../calls/cause.js';
import { accountName, type SipAccount } from '../../calls/sip-account.js';
import { deleteTrunk } from '../../db/delete-trunk.js';
import { type Db, transaction } from '../../db/pool.js';
import { findCallerIdsBeside, insertSipAccount, updateSipAccount } from '../../db/sip-accounts.js';
import { type CallCounts, findTrunkReport, type TrunkReport } from '../../db/trunk-report.js';
import {
  ensurePbxTrunk,
  findTrunkById,
  insertTrunk,
  listTrunks,
  lockTrunk,
  type Trunk,
  updateTrunk,
} from '../../db/trunks.js';
import { newId } from '../../ids.js';
import { forbidden } from '../guard.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { type Answer, route, type Services } from '../route.js';
import { listOf, listSchema, pageOf, pageQuery } from '../schemas/common.js';
import { newTrunk, type ShownTrunk, trunk, trunkChanges, trunkDetail } from '../schemas/trunk.js';
import { whyNotOfTheInternet } from '../sip-host.js';

const refusal =
  'only an admin may create, change or delete a trunk without a SIP account of its own: it names an endpoint of the PBX, and ' +
  'naming one of somebody else would place calls at his cost';

// The cheapest way, without any dialplan before the answer.
const TEMPLATE_OF_ACCOUNTS = 'direct';

export const createTrunk = route({
  method: 'post',
  path: '/v1/trunks',
  access: 'tenant_or_admin',
  summary: 'Create a trunk: with a SIP account, or, as an admin, on what the PBX already has',
  body: newTrunk,
  status: 201,
  answer: trunk,
  async handle({ change, tenant, principal, body, ...services }) {
    const { sip, template = TEMPLATE_OF_ACCOUNTS, pbx_trunk, ...limits } = body;
    if (!sip && principal.role !== 'admin') throw forbidden(refusal);
    await checkTemplate(services, template);
    const id = newId();
    const made = { id, template, pbx_trunk: pbx_trunk ?? accountName(id), ...limits };
    if (!sip) {
      return change(async (tx) => {
        await ensurePbxTrunk(tx, made.pbx_trunk);
        await insertTrunk(tx, tenant.id, made);
        return show(tx, tenant.id, id);
      });
    }
    const { password, ...account } = sip;
    await checkAccount(account, services);
    return change(async (tx) => {
      await insertTrunk(tx, tenant.id, made);
      await insertSipAccount(tx, tenant.id, id, account, services.passwords.seal(tenant.id, id, password));
      return show(tx, tenant.id, id);
    });
  },
});

export const getTrunks = route({
  method: 'get',
  path: '/v1/trunks',
  access: 'tenant',
  summary: 'List the trunks',
  query: pageQuery,
  answer: listSchema(trunk),
  async handle({ db, tenant, query }) {
    const rows = await listTrunks(db, tenant.id, pageOf(query));
    const { data, next } = listOf(rows, query, (row) => row.id);
    return { data: data.map(showTrunk), next };
  },
});

export const getTrunk = route({
  method: 'get',
  path: '/v1/trunks/{id}',
  access: 'tenant',
  summary:
    'Show a trunk: its registration, ports in use, answer-seizure ratio, last failures, and whether it rests',
  answer: trunkDetail,
  handle: ({ db, tenant, id }) =>
    transaction(db, async (tx) => {
      const shown = await show(tx, tenant.id, id);
      return { ...shown, ...showReport(await findTrunkReport(tx, tenant.id, id)) };
    }),
});

export const changeTrunk = route({
  method: 'patch',
  path: '/v1/trunks/{id}',
  access: 'tenant_or_admin',
  summary:
    'Change a trunk; without a SIP account only an admin may. Calls under way keep what they were placed with',
  body: trunkChanges,
  answer: trunk,
  async handle({ db, change, tenant, principal, id, body, ...services }) {
    const found = await findTrunkById(db, tenant.id, id);
    if (!found) throw notFound('trunk');
    if (!found.sip && principal.role !== 'admin') throw forbidden(refusal);
    refuseOfOtherKind(found, body);
    if (body.sip?.host !== undefined) await checkHost(body.sip.host, services);
    if (body.template !== undefined && body.template !== found.template)
      await checkTemplate(services, body.template);
    return change(async (tx) => {
      const before = await lockTrunk(tx, tenant.id, id);
      if (!before) throw notFound('trunk');
      const { sip, ...changes } = body;
      if (changes.pbx_trunk !== undefined) await ensurePbxTrunk(tx, changes.pbx_trunk);
      await updateTrunk(tx, tenant.id, { ...before, ...changes });
      if (sip && before.sip) {
        const { password, ...account } = { ...before.sip, ...sip };
        checkSrtp(account);
        await checkCallerIds(tx, tenant.id, id, account);
        const sealed = password === undefined ? null : services.passwords.seal(tenant.id, id, password);
        await updateSipAccount(tx, tenant.id, id, account, sealed);
      }
      return show(tx, tenant.id, id);
    });
  },
});

export const deleteTrunkRoute = route({
  method: 'delete',
  path: '/v1/trunks/{id}',
  access: 'tenant_or_admin',
  summary:
    'Delete a trunk that no campaign needs any more; without a SIP account only an admin may. Attempts keep its id',
  status: 204,
  answer: null,
  problems: ['trunk_in_use', 'calls_under_way'],
  async handle({ db, change, tenant, principal, id }) {
    const found = await findTrunkById(db, tenant.id, id);
    if (!found) throw notFound('trunk');
    if (!found.sip && principal.role !== 'admin') throw forbidden(refusal);
    await change(async (tx) => {
      if (!(await deleteTrunk(tx, tenant.id, id))) throw notFound('trunk');
    });
  },
});

async function show(db: Db, tenantId: string, id: string): Promise<Answer<ShownTrunk>> {
  const found = await findTrunkById(db, tenantId, id);
  if (!found) throw notFound('trunk');
  return showTrunk(found);
}

/** A trunk as the API shows it: of the password only that there is one. */
function showTrunk({ sip, ...row }: Trunk): Answer<ShownTrunk> {
  if (!sip) return { ...row, sip };
  const shown = { ...sip, caller_ids: [...sip.caller_ids], codecs: [...sip.codecs] };
  return { ...row, sip: { ...shown, password_set: true } };
}

function showReport({ last_hour, last_day, last_failures, ports_in_use }: TrunkReport) {
  return {
    ports_in_use,
    last_hour: withRatio(last_hour),
    last_day: withRatio(last_day),
    last_failures: last_failures.map((failure) => ({ ...failure, cause: causeOf(failure) })),
  };
}

function withRatio({ seizures, answered }: CallCounts) {
  return { seizures, answered, answer_seizure_ratio: seizures === 0 ? null : answered / seizures };
}

/** What belongs to a trunk of the PBX's own says nothing about one with an account, and the other way round. */
function refuseOfOtherKind(
  { sip }: Trunk,
  body: { template?: string; pbx_trunk?: string; sip?: object },
): void {
  const others = sip ? (['template', 'pbx_trunk'] as const) : (['sip'] as const);
  const message = sip ? 'is not for a trunk with a SIP account' : 'is not for a trunk without a SIP account';
  const errors = others.filter((field) => field in body).map((field) => ({ field: `/${field}`, message }));
  if (errors.length > 0) throw new FieldsInvalid(errors);
}

async function checkAccount(
  account: SipAccount,
  services: Pick<Services, 'allowPrivateHosts'>,
): Promise<void> {
  checkSrtp(account);
  await checkHost(account.host, services);
}

function checkSrtp({ srtp, transport }: SipAccount): void {
  if (!srtp || transport === 'tls') return;
  throw new FieldsInvalid([
    { field: '/sip/srtp', message: 'must be false without transport tls: its keys would be readable' },
  ]);
}

/** The PBX sends to a host on a tenant's word: not into the network that it is in itself. */
async function checkHost(
  host: string,
  { allowPrivateHosts }: Pick<Services, 'allowPrivateHosts'>,
): Promise<void> {
  const reason = allowPrivateHosts ? null : await whyNotOfTheInternet(host);
  if (reason)
    throw new FieldsInvalid([
      { field: '/sip/host', message: `${reason}, which this installation does not allow` },
    ]);
}

/** A caller id that a campaign shows stays: its calls would wait for ever, and nobody would know why. */
async function checkCallerIds(
  db: Db,
  tenantId: string,
  id: string,
  { caller_ids }: SipAccount,
): Promise<void> {
  const missing = caller_ids.length === 0 ? [] : await findCallerIdsBeside(db, tenantId, id, caller_ids);
  if (missing.length === 0) return;
  const message = `must hold ${missing.slice(0, 5).join(', ')}, which campaigns that have not ended show`;
  throw new FieldsInvalid([{ field: '/sip/caller_ids', message }]);
}

/** A trunk whose template does not exist could place no call, and nobody would know why. */
async function checkTemplate(
  { hasTemplate }: Pick<Services, 'hasTemplate'>,
  template: string,
): Promise<void> {
  if (!hasTemplate || (await hasTemplate(template))) return;
  throw new FieldsInvalid([{ field: '/template', message: 'is no call-file template of this installation' }]);
}
