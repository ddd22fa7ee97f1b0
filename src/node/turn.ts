import type { CallTokens } from '../agi/token.js';
import { findContactFields } from '../db/contacts.js';
import type { Content } from '../db/content.js';
import { type Ending, type FinishedAttempt, finishAttempts } from '../db/finish.js';
import type { NodeLimits } from '../db/nodes.js';
import { releaseAttempts } from '../db/open-attempts.js';
import { type Pool, type Tx, transaction } from '../db/pool.js';
import type { TrunkVerdict } from '../db/trunk-health.js';
import { waitForTurn } from '../db/turn.js';
import { CampanileError } from '../errors.js';
import type { Logger } from '../log.js';
import type { Sounds } from '../messages/sounds.js';
import type { HashNumber } from '../number-hash.js';
import { type ClaimedCall, type ClaimMemory, claimCalls } from '../scheduler/claim.js';
import type { Pass } from '../scheduler/scheduler.js';
import type { Spool } from '../spool/directories.js';
import { fileNameOf } from '../spool/name.js';
import type { Reports } from '../spool/reports.js';
import { renderTemplate, type Template } from '../spool/template.js';
import { place, stage, unstage } from '../spool/writer.js';
import { type Contents, keyOf } from './contents.js';
import type { OpenCall, OpenCalls } from './open-calls.js';

export interface TurnOptions {
  pool: Pool;
  node: NodeLimits;
  spool: Spool;
  reports: Reports;
  templates: ReadonlyMap<string, Template>;
  tokens: CallTokens;
  hashNumber: HashNumber;
  sounds: Sounds;
  contents: Contents;
  openCalls: OpenCalls;
  agiUrl: string;
  /** Calls between claim and place, which the reconciler must leave alone. */
  inFlight: Set<string>;
  /** What the claim keeps from one turn to the next. */
  claimMemory: ClaimMemory;
  log: Logger;
}

/**
 * One turn of the node: calls that are over are finished and due contacts claimed in the same transaction, so that a port
 * is free and taken again with one commit; then the claimed calls are placed. `finished` is called once it is committed. A
 * call whose file could not be renamed into `outgoing/` was certainly never placed: its claim is undone.
 */
export async function takeTurn(
  endings: readonly Ending[],
  finished: (attempts: FinishedAttempt[]) => void,
  options: TurnOptions,
): Promise<Pass> {
  const { pool, node, spool, templates, hashNumber, openCalls, inFlight, claimMemory } = options;
  const staged: string[] = [];
  let opened: OpenCall[] = [];
  try {
    const { ended, trunks, claim } = await transaction(pool, async (tx) => {
      const turn = waitForTurn(tx);
      const { ended, trunks, written } = await finishAttempts(tx, endings);
      const claiming = { ...node, templates: [...templates.keys()], hashNumber };
      const claim = await claimCalls(
        tx,
        claiming,
        async (calls) => {
          for (const call of calls) {
            inFlight.add(call.callId);
            staged.push(call.callId);
          }
          [opened] = await Promise.all([readyCalls(tx, calls, options), stageCalls(calls, options)]);
        },
        claimMemory,
      );
      await Promise.all([turn, written]);
      return { ended, trunks, claim };
    });
    openCalls.add(opened);
    const failed = place(spool, staged.map(fileNameOf));
    finished(ended);
    tellTrunks(trunks, options.log);
    if (failed.length > 0) await takeBack(failed, options);
    return { wakeInMs: claim.wakeInMs };
  } finally {
    for (const callId of staged) inFlight.delete(callId);
  }
}

/** Logs which trunks rest from now on, and which work again. */
export function tellTrunks(verdicts: readonly TrunkVerdict[], log: Logger): void {
  for (const { tenantId: tenant, trunkId: trunk, verdict, reason, restSeconds } of verdicts) {
    if (verdict === 'work') log.info({ trunk, tenant }, 'a trunk works again');
    else log.warn({ trunk, tenant, reason, restSeconds }, 'a trunk rests, because its calls fail');
  }
}

async function stageCalls(calls: readonly ClaimedCall[], options: TurnOptions): Promise<void> {
  const files = calls.map((call) => ({ name: fileNameOf(call.callId), content: render(call, options) }));
  await stage(options.spool, files);
}

/** All that the calls need once they are answered: what they say and do, with the sounds on this node, and whom they speak to. */
async function readyCalls(tx: Tx, calls: readonly ClaimedCall[], options: TurnOptions): Promise<OpenCall[]> {
  const { contents, sounds } = options;
  const refs = new Map(calls.map(({ content }) => [keyOf(content), content]));
  const ready = new Map<string, Content>();
  const [fields] = await Promise.all([
    findFields(tx, calls),
    ...[...refs].map(async ([key, ref]) => {
      const content = await contents.get(ref);
      for (const { messageId, sha256 } of content.sounds.values())
        await sounds.ensure(ref.tenantId, messageId, sha256);
      ready.set(key, content);
    }),
  ]);
  return calls.map(({ callId, number, ordinal, campaignId, contactId, content }) => ({
    callId,
    number,
    ordinal,
    campaignId,
    contactId,
    fields: fields.get(contactId) ?? {},
    content: ready.get(keyOf(content))!,
  }));
}

/** The fields of the contacts that a flow may ask for. */
async function findFields(
  tx: Tx,
  calls: readonly ClaimedCall[],
): Promise<Map<string, Record<string, string>>> {
  const asking = calls.filter(({ content }) => content.flowId !== null);
  if (asking.length === 0) return new Map();
  return findContactFields(
    tx,
    asking.map(({ tenantId, contactId: id }) => ({ tenantId, id })),
  );
}

function render(call: ClaimedCall, { templates, tokens, agiUrl, reports }: TurnOptions): string {
  // The claim takes only calls whose template is here.
  return renderTemplate(templates.get(call.template)!, {
    number: call.number,
    trunk: call.pbxTrunk,
    callerId: call.callerId,
    ringSeconds: call.ringSeconds,
    call: call.callId,
    token: tokens.tokenFor(call.callId),
    agi: agiUrl,
    reports: reports.currentFile(),
  });
}

async function takeBack(
  failed: readonly { name: string; reason: string }[],
  { pool, spool, openCalls, log }: TurnOptions,
): Promise<never> {
  const names = failed.map((f) => f.name);
  const callIds = names.map((name) => name.replace(/\.call$/, ''));
  log.error(
    { calls: failed.length, reason: failed[0]?.reason },
    'cannot place calls; taking their claims back',
  );
  openCalls.remove(callIds);
  await releaseAttempts(pool, callIds);
  unstage(spool, names);
  // The scheduler leaves a spool that has just failed alone for a while.
  throw new CampanileError('spool_place_failed', `cannot place ${failed.length} calls: ${failed[0]?.reason}`);
}
