import type { CallTokens } from '../agi/token.js';
import { logNamesOf } from '../calls/call-id.js';
import { type Ending, type FinishedAttempt, finishAttempts } from '../db/finish.js';
import type { NodeLock } from '../db/node-lock.js';
import type { NodeLimits } from '../db/nodes.js';
import { releaseAttempts } from '../db/open-attempts.js';
import { type Pool, transaction } from '../db/pool.js';
import type { TrunkVerdict } from '../db/trunk-health.js';
import { waitForTurn } from '../db/turn.js';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Sounds } from '../messages/sounds.js';
import type { Speech } from '../messages/speech/speech.js';
import type { HashNumber } from '../number-hash.js';
import { type ClaimedCall, type ClaimMemory, claimCalls, type RefusedCall } from '../scheduler/claim.js';
import type { Pass } from '../scheduler/scheduler.js';
import type { Spool } from '../spool/directories.js';
import type { Journal } from '../spool/journal.js';
import { fileNameOf } from '../spool/name.js';
import type { Reports } from '../spool/reports.js';
import { renderTemplate, type Template } from '../spool/template.js';
import { place, stage, unstage } from '../spool/writer.js';
import { tellClaimed, tellPlaced, tellReleased } from './call-log.js';
import type { Contents } from './contents.js';
import { type OpenCall, type OpenCalls, tenantOf } from './open-calls.js';
import { readyCalls } from './ready-calls.js';
import type { Speaking } from './speaking.js';
import type { TurnReport } from './turn-report.js';

export interface TurnOptions {
  pool: Pool;
  lock: Pick<NodeLock, 'require'>;
  node: NodeLimits;
  spool: Spool;
  reports: Reports;
  journal: Pick<Journal, 'claimed' | 'released'>;
  templates: ReadonlyMap<string, Template>;
  tokens: CallTokens;
  hashNumber: HashNumber;
  sounds: Sounds;
  contents: Contents;
  openCalls: OpenCalls;
  speech: Pick<Speech, 'ready'>;
  speaking: Pick<Speaking, 'take'>;
  agiUrl: string;
  /** Calls between claim and place, which the reconciler must leave alone. */
  inFlight: Set<string>;
  /** What the claim keeps from one turn to the next. */
  claimMemory: ClaimMemory;
  report?: TurnReport;
  log: Logger;
}

/**
 * One turn of the node: calls that are over are finished and due contacts claimed in the same transaction, so that a port
 * is free and taken again with one commit; then the claimed calls are placed, apart from those whose texts are still to be
 * spoken. `finished` is called once it is committed. A call whose file could not be renamed into `outgoing/` was certainly never
 * placed: its claim is undone.
 */
export async function takeTurn(
  endings: readonly Ending[],
  finished: (attempts: FinishedAttempt[]) => void,
  options: TurnOptions,
): Promise<Pass> {
  const { pool, node, spool, templates, hashNumber, openCalls, speech, speaking, inFlight, claimMemory } =
    options;
  options.lock.require();
  const began = performance.now();
  const isReady = ({ callId, texts }: OpenCall) =>
    texts.length === 0 || speech.ready(tenantOf(callId), texts) !== null;
  let staged: string[] = [];
  let opened: OpenCall[] = [];
  let refused: readonly RefusedCall[] = [];
  try {
    const { ended, trunks, claim } = await transaction(pool, async (tx) => {
      const turn = waitForTurn(tx);
      // It is heard of below, unless what goes out with it fails first; that nobody hears of it must not end the process.
      turn.catch(() => {});
      const { ended, trunks, written } = await finishAttempts(tx, endings);
      // fail point: ended before commit
      const claiming = { ...node, templates: [...templates.keys()], hashNumber };
      const claim = await claimCalls(
        tx,
        claiming,
        async (calls) => {
          for (const call of calls) {
            inFlight.add(call.callId);
            staged.push(call.callId);
          }
          const [readied] = await Promise.all([readyCalls(tx, calls, options), stageCalls(calls, options)]);
          // fail point: staged
          opened = readied.opened;
          refused = readied.refused;
          unstage(
            spool,
            readied.refused.map(({ callId }) => fileNameOf(callId)),
          );
          return readied.refused;
        },
        claimMemory,
      );
      await Promise.all([turn, written]);
      // fail point: claimed before commit
      return { ended, trunks, claim };
    });
    // fail point: claimed
    const committed = performance.now();
    finished(ended);
    try {
      options.journal.claimed(claim.calls);
    } catch (error) {
      const callIds = claim.calls.map(({ callId }) => callId);
      await takeBack(callIds, messageOf(error), options);
    }
    // fail point: written down before placed
    const ready = opened.filter(isReady);
    const isPlaced = new Set(ready);
    openCalls.add(ready);
    tellClaimed(claim.calls, options.log);
    const failed = place(
      spool,
      ready.map(({ callId }) => fileNameOf(callId)),
    );
    // fail point: placed
    tellPlaced(ready, failed, options.log);
    for (const { callId } of refused)
      options.log.info(logNamesOf(callId), 'call refused: its text cannot be made');
    const waiting = new Map(opened.flatMap((call) => (isPlaced.has(call) ? [] : [[call.callId, call]])));
    staged = staged.filter((callId) => !waiting.has(callId));
    speaking.take([...waiting.values()]);
    // fail point: turn over
    const isFailed = new Set(failed.map(({ name }) => name));
    const placed = ready.filter(({ callId }) => !isFailed.has(fileNameOf(callId)));
    options.report?.ended(endings, ended);
    options.report?.turned(opened.length, placed, { began, committed });
    tellTrunks(trunks, options.log);
    if (failed.length > 0) {
      const callIds = failed.map(({ name }) => name.replace(/\.call$/, ''));
      options.journal.released(callIds);
      await takeBack(callIds, failed[0]!.reason, options);
    }
    return { wakeInMs: claim.wakeInMs, claimed: opened.length };
  } finally {
    for (const callId of staged) inFlight.delete(callId);
  }
}

/** Logs which trunks rest from now on, and which work again. */
export function tellTrunks(verdicts: readonly TrunkVerdict[], log: Logger): void {
  for (const { tenantId: tenant, trunkId: trunk, verdict, reason, restSeconds } of verdicts) {
    if (verdict === 'work') log.info({ trunk, tenant }, 'a trunk works again');
    else
      log.warn({ trunk, tenant, reason, rest_seconds: restSeconds }, 'a trunk rests, because its calls fail');
  }
}

async function stageCalls(calls: readonly ClaimedCall[], options: TurnOptions): Promise<void> {
  const files = calls.map((call) => ({ name: fileNameOf(call.callId), content: render(call, options) }));
  await stage(options.spool, files);
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

/** Undoes the claims of calls whose files lie in staging/, and throws. */
async function takeBack(
  callIds: readonly string[],
  reason: string,
  { pool, spool, openCalls, log }: TurnOptions,
): Promise<never> {
  log.error({ calls: callIds.length, reason }, 'cannot place calls; taking their claims back');
  openCalls.remove(callIds);
  await releaseAttempts(pool, callIds);
  tellReleased(callIds, 'its file could not be placed', log);
  unstage(spool, callIds.map(fileNameOf));
  // The scheduler leaves a spool that has just failed alone for a while.
  throw new CampanileError('spool_place_failed', `cannot place ${callIds.length} calls: ${reason}`);
}
