import { deleteOldAnswers } from '../db/idempotency.js';
import { type NodeLimits, touchNode } from '../db/nodes.js';
import type { Pool } from '../db/pool.js';
import { deleteOldRecordings } from '../db/recordings.js';
import { endForgottenTransfers } from '../db/transfers.js';
import { forgetTries } from '../db/tries.js';
import { forgetTrunkCounts } from '../db/trunk-health.js';
import type { Duty } from '../duties.js';
import type { Logger } from '../log.js';
import type { Sounds } from '../messages/sounds.js';
import type { Speech } from '../messages/speech/speech.js';
import type { NodeMetrics } from '../monitoring/node-metrics.js';
import type { Spool } from '../spool/directories.js';
import type { Journal } from '../spool/journal.js';
import type { Reconciler } from '../spool/reconciler.js';
import { createWaitingWatch } from '../spool/waiting.js';
import { createWritableWatch } from '../spool/writable.js';
import { createRestartWatch } from './asterisk-restarts.js';
import type { Contents } from './contents.js';
import type { DeleteTenants } from './delete-tenants.js';
import { expireInTurns } from './expire-campaigns.js';
import type { Ask } from './hang-up.js';
import type { OpenCalls } from './open-calls.js';
import type { CallRecordings } from './recordings.js';
import { createRingingWatch } from './ringing.js';
import type { SipAccounts } from './sip-accounts.js';
import { speakAhead } from './speak-ahead.js';
import { bySweep } from './watch-node.js';

/** So many recordings are deleted within a statement's time. */
const MOST_AT_ONCE = 1000;

/** What a node does again and again for its Asterisk and its spool. */
export function dutiesOfSpool(options: {
  spool: Spool;
  reconciler: Reconciler;
  reconcile(): Promise<unknown>;
  cancel(): Promise<number>;
  openCalls: Pick<OpenCalls, 'ringingFor'>;
  ask: Ask;
  journal: Pick<Journal, 'tidy'>;
  metrics: NodeMetrics;
  log: Logger;
}): Duty[] {
  const { spool, reconciler, reconcile, cancel, openCalls, ask, journal, metrics, log } = options;
  return [
    {
      everySeconds: 1,
      name: 'see that Asterisk was started anew',
      run: createRestartWatch(spool.asteriskStartedAt, reconcile),
    },
    {
      everySeconds: 1,
      name: 'see that Asterisk takes its files',
      run: createWaitingWatch(spool, reconcile),
    },
    {
      everySeconds: 1,
      name: 'see that the spool can be written',
      run: createWritableWatch(spool, reconciler, log),
    },
    { everySeconds: 5, name: 'withdraw cancelled calls', run: bySweep(metrics, 'cancel', cancel) },
    {
      everySeconds: 10,
      name: 'hang up calls that ring for too long',
      run: createRingingWatch(ask, openCalls),
    },
    {
      everySeconds: 60,
      name: 'remove what the journal need not know any more',
      run: async () => journal.tidy(),
    },
  ];
}

/** For what is said and recorded. */
export function dutiesOfContent(options: {
  pool: Pool;
  node: NodeLimits;
  contents: Contents;
  sounds: Sounds;
  speech: Speech;
  recordings: CallRecordings;
}): Duty[] {
  const { pool, node, contents, sounds, speech, recordings } = options;
  return [
    { everySeconds: 60, name: 'remove sounds that nobody has', run: sounds.sweep },
    {
      everySeconds: 2,
      name: 'speak ahead of the calls',
      // It always finds some while a campaign speaks: no news.
      run: () => speakAhead({ db: pool, contents, speech, node }).then(() => 0),
    },
    { everySeconds: 600, name: 'remove speech that nobody uses', run: speech.sweep },
    { everySeconds: 10, name: 'store recordings of calls that are over', run: recordings.sweep },
    {
      everySeconds: 600,
      name: 'delete old recordings',
      run: () => deleteOldRecordings(pool, MOST_AT_ONCE),
    },
  ];
}

/** For what is in the database, whose node any one may be. */
export function dutiesOfDatabase(options: {
  pool: Pool;
  node: NodeLimits;
  reconciler: Pick<Reconciler, 'untaken'>;
  deleting: DeleteTenants;
}): Duty[] {
  const { pool, node, reconciler, deleting } = options;
  return [
    { everySeconds: 2, name: 'delete tenants', run: deleting.run },
    { everySeconds: 30, name: 'end forgotten transfers', run: () => endForgottenTransfers(pool) },
    { everySeconds: 600, name: 'forget answers of long ago', run: () => deleteOldAnswers(pool) },
    { everySeconds: 5, name: 'end campaigns whose time is over', run: () => expireInTurns(pool) },
    { everySeconds: 600, name: 'forget tries of long ago', run: () => forgetTries(pool) },
    { everySeconds: 600, name: 'forget old counts of trunks', run: () => forgetTrunkCounts(pool) },
    {
      everySeconds: 10,
      name: 'say that this node is alive',
      run: () => touchNode(pool, node.name, reconciler.untaken()),
    },
  ];
}

export function dutyOfSipAccounts(sipAccounts: SipAccounts, metrics: NodeMetrics): Duty {
  return {
    everySeconds: 10,
    name: 'write SIP accounts',
    run: bySweep(metrics, 'sip_accounts', sipAccounts.sync),
  };
}
