import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { Spool } from '../spool/directories.js';
import { listenForAgi } from './agi-listener.js';
import { checkAsterisk, type PbxState } from './asterisk.js';
import { checkDatabase } from './database.js';
import { explain } from './evidence.js';
import { type Finding, failed, skipped } from './finding.js';
import { checkConfig, checkNode, checkOptional, checkSpool, checkTemplates } from './setup.js';
import { checkSipAccounts } from './sip-accounts.js';
import { createTestCall } from './test-call.js';

const AFTER_CONFIG = [
  ...['database', 'migrations', 'spool', 'one filesystem', 'templates'],
  ...[
    'Asterisk',
    'module pbx_spool',
    'other modules',
    'machine detection',
    'dialplan',
    'SIP accounts',
    'FastAGI',
  ],
];
const OF_THE_CALL = ['test call', 'audio'];

/**
 * Checks this machine step by step, the next step when the one before is taken: Node.js, configuration, database, spool,
 * templates, Asterisk with modules and dialplan, FastAGI, and a call through all of it. What it needs of the
 * environment is in `env`. Leaves nothing behind but the directories that `campanile serve` makes as well.
 */
export async function* examine(
  env: Readonly<Record<string, string | undefined>>,
  log: Logger,
): AsyncGenerator<Finding> {
  yield await checkNode();
  const { finding, config } = checkConfig(env);
  yield finding;
  if (config) yield* examineWith(config, log);
  else
    for (const step of [...AFTER_CONFIG, ...OF_THE_CALL]) yield skipped(step, 'the configuration is wrong');
  yield* checkOptional(env.PATH ?? '');
}

async function* examineWith(config: Config, log: Logger): AsyncGenerator<Finding> {
  const database = await checkDatabase(config, log);
  yield* database.findings;
  const { findings, spool } = await checkSpool(config);
  yield* findings;
  yield await checkTemplates(config);
  const pbx = await checkAsterisk(config);
  yield* pbx.findings;
  yield await checkSipAccounts(config, pbx.runs);
  yield* examineLine(config, spool, pbx, database.serveRuns, log);
}

/** The test call, unless it is known already that it cannot succeed. */
async function* examineLine(
  config: Config,
  spool: Spool | null,
  pbx: PbxState,
  serveRuns: boolean | null,
  log: Logger,
): AsyncGenerator<Finding> {
  const obstacle = obstacleOf(spool, pbx);
  if (!spool || obstacle) {
    for (const step of ['FastAGI', ...OF_THE_CALL])
      yield skipped(step, obstacle ?? 'the spool cannot be used');
    return;
  }
  const call = createTestCall(spool, config.soundsDir);
  const agi = await listenForAgi(config, call.scripts, serveRuns, log);
  try {
    yield agi.finding;
    if (agi.url === null) {
      for (const step of OF_THE_CALL) yield skipped(step, 'there is no FastAGI server to come back to');
      return;
    }
    const evidence = await call.run(agi.url);
    yield* explain(evidence, { config, spool, url: agi.url, spoolModule: pbx.spoolModule });
  } catch (error) {
    yield failed(
      'test call',
      `cannot be placed: ${messageOf(error)}`,
      `ls -la ${spool.root} ${config.soundsDir}`,
    );
  } finally {
    await agi.stop();
    await call.clean();
  }
}

function obstacleOf(spool: Spool | null, { runs, spoolModule, dialplan }: PbxState): string | null {
  if (!spool) return 'the spool cannot be used';
  if (!runs) return 'Asterisk does not run';
  if (spoolModule === false) return 'Asterisk does not look at call files without pbx_spool';
  if (dialplan === false) return 'the dialplan is not included';
  return null;
}
