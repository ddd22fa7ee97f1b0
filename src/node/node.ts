import { createCallNotes } from '../agi/notes.js';
import { createAdmission } from '../agi/scripts/admission.js';
import { createCallTokens } from '../agi/token.js';
import { askAsterisk } from '../asterisk-console.js';
import { logNamesOf } from '../calls/call-id.js';
import { isSandbox } from '../calls/node-name.js';
import type { Config } from '../config.js';
import type { Ending } from '../db/finish.js';
import { listen } from '../db/listen.js';
import { lockNode } from '../db/node-lock.js';
import { registerNode } from '../db/nodes.js';
import { findAttemptStates, listOpenAttempts, releaseAttempts } from '../db/open-attempts.js';
import { createPool } from '../db/pool.js';
import { createDuties } from '../duties.js';
import { createAsker } from '../events/webhooks/ask.js';
import type { Logger } from '../log.js';
import { createSounds } from '../messages/sounds.js';
import { configuredEngine } from '../messages/speech/configured.js';
import { createRenderer } from '../messages/speech/renderer.js';
import { createSpeech } from '../messages/speech/speech.js';
import type { Metrics } from '../monitoring/metrics.js';
import type { Readiness } from '../monitoring/readiness.js';
import { createNumberHash } from '../number-hash.js';
import { NOTHING_CLOSED } from '../scheduler/closed.js';
import { createPasswordSeal, createWebhookSeal } from '../seal.js';
import { createShutdown } from '../shutdown.js';
import { openSpool } from '../spool/directories.js';
import { createJournal } from '../spool/journal.js';
import { createReconciler } from '../spool/reconciler.js';
import { createReports } from '../spool/reports.js';
import { refuseSandboxSpool } from '../spool/sandbox-spool.js';
import { lockSpool } from '../spool/spool-lock.js';
import type { Template } from '../spool/template.js';
import { createArchiveWatcher } from '../spool/watcher.js';
import { tellReleased, tellTakenOver } from './call-log.js';
import { createCallServer } from './call-server.js';
import { withdrawCancelledCalls } from './cancel-calls.js';
import { createContents } from './contents.js';
import { createDeleteTenants } from './delete-tenants.js';
import { createFinishArchived } from './finish-archived.js';
import { finishCalls } from './finish-calls.js';
import { findCallsUp } from './hang-up.js';
import { dutiesOfContent, dutiesOfDatabase, dutiesOfSpool, dutyOfSipAccounts } from './node-duties.js';
import { createOpenCalls, tenantOf } from './open-calls.js';
import { createCallRecordings } from './recordings.js';
import { createSipAccounts } from './sip-accounts.js';
import { createSpeaking } from './speaking.js';
import { createCallTransfers } from './transfers.js';
import { createTurnReport } from './turn-report.js';
import { createTurns } from './turns.js';
import { watchNode } from './watch-node.js';
import { writeBack } from './write-back.js';

export interface NodeOptions {
  config: Config;
  /** The database's. */
  url: string;
  templates: ReadonlyMap<string, Template>;
  secret: Buffer;
  /** How many times as fast as our clock the PBX's runs, when it is none of Asterisk's. */
  speed?: number;
  metrics: Metrics;
  /** Where it says whether it can place calls; not where others make the calls that matter. */
  readiness?: Readiness;
  log: Logger;
  /** Another process may have become this node: it must not go on. */
  onFatal(error: Error): void;
}

/** What runs. */
export interface RunningNode {
  /** Where its FastAGI listens. */
  agiPort: number;
  stop(): Promise<void>;
}

/**
 * Starts the part beside an Asterisk: it places calls into its spool, serves its FastAGI, and finishes what it archives.
 * Resolves when calls are being placed; throws a CampanileError that says what to do when it cannot. `stop` claims
 * nothing more, finishes what is archived meanwhile, and leaves calls in progress to Asterisk and the next start. One that is named
 * so is a sandbox node (sandbox-node.ts), which has no Asterisk to ask.
 */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const { config, url, templates, secret, onFatal } = options;
  const metrics = options.metrics.ofNode(config.nodeName);
  const sandbox = isSandbox(config.nodeName);
  const log = options.log.child({ node: config.nodeName });
  const node = { name: config.nodeName, ports: config.nodePorts, callsPerSecond: config.nodeCallsPerSecond };
  const shutdown = createShutdown();
  try {
    let resume = () => {};
    let catchUp: () => Promise<unknown> = async () => {};
    const lock = await lockNode(url, node.name, {
      beforeRegained: () =>
        catchUp().catch((error) => {
          log.error({ err: error }, 'cannot compare the database with the journal yet: nothing is placed');
          throw error;
        }),
      onRegained: () => resume(),
      onTaken: onFatal,
      log,
    });
    shutdown.add(lock.release);
    // Its own, so that no request to the API waits for a claim or makes one wait.
    const pool = createPool(url, log, { name: `campanile ${node.name}`, pipeline: true });
    shutdown.add(() => pool.end());
    options.metrics.watchPool(pool);
    const spool = await openSpool({
      spool: config.spoolDir,
      owner: config.spoolOwner,
      mode: config.spoolMode,
      asteriskRun: config.asteriskRunDir,
    });
    if (!sandbox) refuseSandboxSpool(spool.root);
    const spoolLock = await lockSpool(spool);
    shutdown.add(spoolLock.release);
    await registerNode(pool, node);

    const tokens = createCallTokens(secret);
    const contents = createContents(pool);
    const openCalls = createOpenCalls(pool, node.name, contents);
    const sounds = createSounds({
      db: pool,
      directory: config.soundsDir,
      owner: config.spoolOwner,
      isNeeded: openCalls.mayPlay,
    });
    const inFlight = new Set<string>();
    const speech = await createSpeech({
      renderer: createRenderer(configuredEngine(config)),
      directory: config.speech.directory,
      owner: config.spoolOwner,
      atOnce: config.speech.atOnce,
      keepSeconds: config.speech.keepSeconds,
    });
    const journal = createJournal(spool);
    const speaking = createSpeaking({
      pool,
      spool,
      journal,
      speech,
      openCalls,
      inFlight,
      log,
      onReleased: () => turns.wake(),
      onPlaced: metrics.placed,
    });
    const reports = createReports(spool);
    const transfers = createCallTransfers({ pool, templates, log });
    const turns = createTurns({
      pool,
      lock,
      node,
      spool,
      reports,
      journal,
      templates,
      tokens,
      hashNumber: createNumberHash(secret),
      sounds,
      contents,
      openCalls,
      speech,
      speaking,
      agiUrl: config.agiUrl,
      inFlight,
      claimMemory: { closed: NOTHING_CLOSED },
      report: createTurnReport(metrics),
      onSweepFind: (calls) => metrics.foundBySweep('claim', calls),
      log,
    });
    const finish = (endings: Ending[]) =>
      finishCalls(endings, { turns, reports, journal, openCalls, transfers, log });
    const cancel = () => withdrawCancelledCalls({ db: pool, node: node.name, spool, inFlight, finish, log });

    const recordings = createCallRecordings(pool, spool.recordings, log);
    const asker = createAsker({ allowPrivate: config.allowPrivateWebhooks });
    shutdown.add(async () => asker.stop());
    const notes = createCallNotes(pool, node.name);
    shutdown.add(async () => notes.stop());
    const agi = createCallServer({
      pool,
      listen: config.agiListen,
      speed: options.speed ?? 1,
      admission: createAdmission(tokens, log),
      notes,
      openCalls,
      contents,
      sounds,
      speech,
      recordings,
      transfers,
      asker,
      secrets: createWebhookSeal(secret),
      observe: metrics.agi,
      log,
    });
    const finishArchived = createFinishArchived({
      db: pool,
      finish,
      dispose: (name) => watcher.dispose(name),
    });
    const watcher = createArchiveWatcher({
      spool,
      log,
      keepSeconds: config.keepFilesSeconds,
      onArchived: (files) => finishArchived(files),
      onSweepFind: (files) => metrics.foundBySweep('archive', files),
    });
    const ask = (command: string) =>
      sandbox ? Promise.resolve('') : askAsterisk(config.asteriskRunDir, command);
    const findUp = () =>
      findCallsUp(ask).catch((error) => {
        log.warn({ err: error }, 'cannot ask Asterisk which calls are up');
        return null;
      });
    const reconciler = createReconciler({
      spool,
      reports,
      log,
      inFlight: (callId) => inFlight.has(callId),
      attempts: {
        findStates: (callIds) => findAttemptStates(pool, callIds),
        async listOpen() {
          lock.require();
          return listOpenAttempts(pool, node.name);
        },
      },
      async release(callIds) {
        journal.released(callIds);
        await releaseAttempts(pool, callIds);
        tellReleased(callIds, 'it was never placed', log);
      },
      finish,
      dispose: watcher.dispose,
      onReconciled: metrics.reconciled,
      ...(sandbox ? {} : { findUp }),
    });
    const reconcile = () =>
      reconciler.run().catch((error) => log.error({ err: error }, 'cannot reconcile the spool'));
    resume = () => {
      turns.wake();
      void reconcile();
    };
    const sipAccounts = createSipAccounts({
      pool,
      node: node.name,
      file: config.pjsipFile,
      owner: spool.owner,
      passwords: createPasswordSeal(secret),
      ask,
      log,
      onLoaded: turns.wake,
    });
    const deleting = createDeleteTenants({ pool, node: node.name, spool, sounds, speech, ask, log });
    const hints: Record<string, () => unknown> = {
      campanile_due: turns.wake,
      campanile_cancelled: () =>
        cancel().catch((error) => log.error({ err: error }, 'cannot withdraw cancelled calls')),
      ...(sandbox ? {} : { campanile_sip_accounts: sipAccounts.sync }),
      campanile_tenants: () =>
        deleting.run().catch((error) => log.error({ err: error }, 'cannot delete tenants')),
    };
    const listener = listen(url, Object.keys(hints), (channel) => hints[channel]?.(), log);
    const duties = createDuties(
      [
        ...dutiesOfSpool({ spool, reconciler, reconcile, cancel, openCalls, ask, journal, metrics, log }),
        ...dutiesOfContent({ pool, node, contents, sounds, speech, recordings }),
        ...dutiesOfDatabase({ pool, node, reconciler, deleting }),
        ...(sandbox ? [] : [dutyOfSipAccounts(sipAccounts, metrics)]),
      ],
      log,
    );

    catchUp = () => writeBack({ pool, node: node.name, journal, log });
    await catchUp();
    await openCalls.load();
    tellTakenOver(openCalls.all(), log);
    for (const { callId, texts } of openCalls.all()) {
      // It is there, unless the engine has changed since they were placed, or somebody has tidied up.
      speech.prepare(tenantOf(callId), texts).catch((error) => {
        log.error({ ...logNamesOf(callId), err: error }, 'cannot speak the texts of a call in progress');
      });
    }
    shutdown.add(() => watcher.stop());
    // FastAGI before anything else: calls may be in progress since before the last stop.
    const { port: agiPort } = await agi.start();
    shutdown.add(() => agi.stop(0));
    await reconciler.run();
    const unwatch = watchNode({ metrics, readiness: options.readiness, spool, agi, reconciler });
    shutdown.add(async () => unwatch());
    watcher.start();
    reconciler.start();
    shutdown.add(() => reconciler.stop());
    duties.start();
    shutdown.add(() => duties.stop());
    shutdown.add(deleting.stop);
    await listener.start();
    shutdown.add(() => listener.stop());
    // In the background: an Asterisk that is silent must not keep the other trunks' calls.
    if (!sandbox) void sipAccounts.sync();
    shutdown.add(sipAccounts.stop);
    turns.start();
    // Calls in progress are served and finished for as long as the grace allows.
    shutdown.add(() => openCalls.whenNone(config.stopGraceSeconds * 1000));
    shutdown.add(() => speaking.stop());
    shutdown.add(() => turns.stop());
    log.info({ ports: node.ports, spool: spool.root }, 'the node places calls');
    return { agiPort, stop: shutdown.stop };
  } catch (error) {
    await shutdown.stop();
    throw error;
  }
}
