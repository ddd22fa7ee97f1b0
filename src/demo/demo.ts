import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { issueToken } from '../api/token.js';
import { loadConfig, loadSecret } from '../config.js';
import { freePort } from '../lab/ports.js';
import { createLog, type Logger } from '../log.js';
import { startCampanile } from '../main.js';
import type { Shutdown } from '../shutdown.js';
import type { Terminal } from '../terminal.js';
import { createDemoCampaign, type DemoCampaign, type IssueToken } from './campaign.js';
import { collectResults } from './collect.js';
import { dial } from './dial.js';
import { makeDemoFolder } from './folder.js';
import { demoContacts } from './kinds.js';
import { type DemoPbx, startDemoPbx } from './pbx.js';
import { choosePbx, type PbxChoice } from './pbx-choice.js';
import { createSteps } from './steps.js';
import { renderSummary } from './summary.js';

export interface DemoOptions {
  /** Null takes a real Asterisk where one can be had, else the sandbox. */
  pbx: 'asterisk' | 'sandbox' | null;
  contacts: number;
  ports: number;
  cacheDir: string;
}

/** Where the demo runs. */
export interface DemoStage {
  terminal: Terminal;
  /** Says something beside the output proper (stderr). */
  aside(text: string): void;
  /** Gets what must be stopped at the end, whatever it is. */
  shutdown: Shutdown;
  /** Aborted when the demo is to end. */
  signal: AbortSignal;
}

/** What came of it, while everything still runs. */
export interface DemoOutcome {
  differences: string[];
  /** Where the API listens, without a trailing slash. */
  url: string;
  campaign: DemoCampaign;
  /** The directory of the logs; removed at the end unless `keepLogs` is called. */
  logs: string;
  keepLogs(): Promise<void>;
}

/**
 * Runs the demo: a PBX, Campanile on a database of its own, a campaign made through the API, its calls, and the table of
 * how they went. Throws the signal's reason when it is aborted; an error's logs lie in the directory that it names.
 */
export async function runDemo(options: DemoOptions, stage: DemoStage): Promise<DemoOutcome> {
  const { ports } = options;
  const { terminal, shutdown } = stage;
  const folder = await makeDemoFolder();
  let keep = false;
  shutdown.add(async () => {
    await rm(folder.dir, { recursive: true, force: true, maxRetries: 5 });
    if (!keep) await rm(folder.logs, { recursive: true, force: true });
  });
  const logFile = join(folder.logs, 'campanile.log');
  const log = createLog('info', logFile);
  const broken = new AbortController();
  const signal = AbortSignal.any([stage.signal, broken.signal]);
  const steps = createSteps(terminal, stage.aside, signal);
  try {
    const { result: choice, done } = await steps.first(
      'getting an Asterisk from Debian: about a minute the first time',
      () =>
        choosePbx({ pbx: options.pbx, cacheDir: options.cacheDir, log: (line) => log.info(line), signal }),
    );
    sayWhat(choice, options, terminal);
    if (choice.pbx === 'asterisk')
      done(`got Asterisk ${choice.image.version} of Debian ${choice.image.suite}`);

    signal.throwIfAborted();
    const pbx = await steps.run(startingOf(choice), () => startDemoPbx(choice, folder.dir, log));
    shutdown.add(() => pbx.stop());
    signal.throwIfAborted();
    const contacts = demoContacts(options.contacts);
    const server = await steps.run('starting Postgres in a fresh folder, and Campanile on it', () =>
      startServer({ dir: folder.dir, pbx, ports, cacheDir: options.cacheDir }, log, (error) =>
        broken.abort(error),
      ),
    );
    shutdown.add(server.stop);
    signal.throwIfAborted();
    const campaign = await steps.run('creating tenant, trunk, message, campaign and contacts by API', () =>
      createDemoCampaign(server.url, server.issueToken, contacts, ports),
    );

    const stoodStill = await dial({ ...campaign, ports, terminal, signal });
    const results = await collectResults({ ...campaign, contacts, pbx, ports });
    if (stoodStill) results.verdict.differences.unshift(stoodStill);
    terminal.write(`${renderSummary(results, terminal)}\n`);
    return {
      differences: results.verdict.differences,
      url: server.url,
      campaign,
      logs: folder.logs,
      async keepLogs() {
        keep = true;
        await pbx.saveLogs(folder.logs);
      },
    };
  } catch (error) {
    const { size } = await stat(logFile).catch(() => ({ size: 0 }));
    keep = size > 0 && !stage.signal.aborted;
    if (keep) stage.aside(`the logs are in ${folder.logs}\n`);
    throw error;
  }
}

/** The first line of the output says so when it is no real Asterisk, or an older one. */
function sayWhat(choice: PbxChoice, { contacts, ports }: DemoOptions, { write, paint }: Terminal): void {
  if (choice.note) write(`${paint('yellow', choice.note)}\n`);
  const pbx = choice.pbx === 'asterisk' ? `a real Asterisk ${choice.image.version}` : 'the sandbox PBX';
  const what = `${contacts} contacts through ${pbx}, on ${ports} ports`;
  write(`${paint('bold', `Campanile dials ${what}.`)}\n\n`);
}

function startingOf(choice: PbxChoice): string {
  return choice.pbx === 'asterisk'
    ? 'starting Asterisk, and SIPp as the far end of its trunk'
    : 'starting the sandbox PBX';
}

interface Server {
  url: string;
  issueToken: IssueToken;
  stop(): Promise<void>;
}

const TOKEN_SECONDS = 86_400;

/** Campanile as `npm start` runs it, on an embedded Postgres below `dir`. */
async function startServer(
  options: { dir: string; pbx: DemoPbx; ports: number; cacheDir: string },
  log: Logger,
  onFatal: (error: Error) => void,
): Promise<Server> {
  const { dir, pbx, ports, cacheDir } = options;
  const config = loadConfig({
    CAMPANILE_DATA: join(dir, 'data'),
    CAMPANILE_CACHE: cacheDir,
    CAMPANILE_LISTEN: '127.0.0.1:0',
    CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
    CAMPANILE_AGI_LISTEN: `127.0.0.1:${await freePort('tcp')}`,
    CAMPANILE_SPOOL: pbx.spoolDir,
    CAMPANILE_ASTERISK_RUN: pbx.runDir,
    CAMPANILE_NODE: 'demo',
    CAMPANILE_NODE_PORTS: String(ports),
    CAMPANILE_STOP_GRACE: '1s',
    CAMPANILE_TEST_MODE: 'off',
    ...(pbx.owner === null ? {} : { CAMPANILE_SPOOL_OWNER: pbx.owner }),
  });
  const running = await startCampanile(config, 'all', log, onFatal);
  const secret = await loadSecret(config);
  return {
    url: `http://127.0.0.1:${running.apiPort}`,
    issueToken: (grant) => issueToken(secret, grant, TOKEN_SECONDS),
    stop: running.stop,
  };
}
