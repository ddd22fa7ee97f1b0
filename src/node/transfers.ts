import type { Transfers } from '../agi/flow/transfer.js';
import { type CallId, logNamesOf, parseCallId } from '../calls/call-id.js';
import {
  ABANDONED_OUTCOMES,
  type TransferEnd,
  type TransferTold,
  transferEnd,
} from '../calls/flow/transfer.js';
import { pauseWhereAbandoned } from '../db/abandoned.js';
import type { Pool } from '../db/pool.js';
import { type BegunTransfer, beginTransfer, endTransfer } from '../db/transfers.js';
import type { Logger } from '../log.js';
import { channelOf, type Template } from '../spool/template.js';

export interface CallTransfersOptions {
  pool: Pool;
  templates: ReadonlyMap<string, Template>;
  log: Logger;
}

/** Calls that are passed on to destinations. */
export interface CallTransfers {
  /** Of one call, to a person of that number (E.164). */
  of(callId: CallId, number: string): Transfers;
  /** A call ended in its transfer. It may be told more than once. */
  ended(callId: CallId, told: TransferTold): Promise<unknown>;
}

/** The hangup handler tells at once, unless it cannot connect. */
const TOLD_WITHIN_MS = 5_000;

export function createCallTransfers({ pool, templates, log }: CallTransfersOptions): CallTransfers {
  const waiting = new Map<string, (end: TransferEnd) => void>();

  async function ended(callId: CallId, told: TransferTold): Promise<TransferEnd> {
    const ids = parseCallId(callId)!;
    const { tenantId } = ids;
    const end = transferEnd(told);
    // Of this call: its token may speak of no other's.
    const campaignId = await endTransfer(pool, ids, told.id, end);
    waiting.get(keyOf(callId, told.id))?.(end);
    if (campaignId !== null)
      log.debug({ ...logNamesOf(callId), transfer: told.id, outcome: end.outcome }, 'transfer ended');
    if (campaignId === null || !ABANDONED_OUTCOMES.includes(end.outcome)) return end;
    const reason = await pauseWhereAbandoned(pool, tenantId, campaignId);
    if (reason) log.warn({ campaign: campaignId, tenant: tenantId, reason }, 'a campaign is paused');
    return end;
  }

  function dialString(begun: BegunTransfer): string | null {
    const { kind, target, trunk } = begun;
    if (kind === 'queue') return target;
    if (kind === 'extension') return `Local/${target}@campanile-transfer/n`;
    const template = trunk && templates.get(trunk.template);
    return template ? channelOf(template, { number: target, trunk: trunk.pbxTrunk }) : null;
  }

  return {
    ended,
    of: (callId, number) => ({
      async begin(step, destinationId) {
        const ids = parseCallId(callId)!;
        const begun = await beginTransfer(pool, { ...ids, step, destinationId }).catch((error) => {
          log.error(
            { ...logNamesOf(callId), step, err: error },
            'cannot take a port of a transfer destination',
          );
          return 'gone' as const;
        });
        if (begun === 'full') return 'full';
        const target = begun === 'gone' ? null : dialString(begun);
        if (begun === 'gone' || target === null) {
          log.error(
            { ...logNamesOf(callId), step, destination: destinationId },
            'cannot dial a transfer destination',
          );
          if (begun !== 'gone') await ended(callId, { ...NOT_DIALLED, id: begun.id, kind: begun.kind });
          return 'failed';
        }
        const { id, kind, trunk } = begun;
        log.debug(
          { ...logNamesOf(callId), step, transfer: id, destination: destinationId },
          'transfer began',
        );
        // Staff see who is calling; over a trunk it is what the trunk may show.
        return {
          id,
          kind,
          target,
          callerId: trunk ? trunk.callerId : number,
          route: trunk?.pbxTrunk ?? null,
        };
      },
      end: (told) => ended(callId, told),
      async whenTold(id) {
        let timer: NodeJS.Timeout | undefined;
        const end = await new Promise<TransferEnd | null>((resolve) => {
          waiting.set(keyOf(callId, id), resolve);
          timer = setTimeout(() => resolve(null), TOLD_WITHIN_MS);
        });
        clearTimeout(timer);
        waiting.delete(keyOf(callId, id));
        return end;
      },
    }),
  };
}

const keyOf = (callId: CallId, id: string) => `${callId} ${id}`;

const NOT_DIALLED = { status: 'CHANUNAVAIL', abandoned: null, answeredSeconds: null };
