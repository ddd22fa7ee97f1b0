import { createNews } from './api/events/news.js';
import { MOST_EXPORTS } from './api/export.js';
import { createApi } from './api/server.js';
import { type Config, loadSecret } from './config.js';
import { openDatabase } from './db/database.js';
import { createPool } from './db/pool.js';
import { startEvents } from './events/start.js';
import type { Logger } from './log.js';
import { convertAudio } from './messages/convert.js';
import { speechForApi } from './messages/speech/configured.js';
import { type NodeOptions, startNode } from './node/node.js';
import { keepSandboxNode, startSandboxNode } from './node/sandbox-node.js';
import { createShutdown } from './shutdown.js';
import { loadTemplates } from './spool/template-file.js';

/** What a process does: serve the API, be the node beside an Asterisk, or both. */
export type Role = 'all' | 'api' | 'node';

/** Campanile as it runs. */
export interface Running {
  /** Where the API listens; null in the role `node`. */
  apiPort: number | null;
  /** Resolves when it has stopped: within the configured grace. May be called twice. */
  stop(): Promise<void>;
}

/**
 * Starts database, node and API, in this order; `stop` ends them in reverse. Throws a CampanileError when one cannot
 * start, and leaves nothing running then. `onFatal` is called when the process cannot go on.
 */
export async function startCampanile(
  config: Config,
  role: Role,
  log: Logger,
  onFatal: (error: Error) => void,
): Promise<Running> {
  const shutdown = createShutdown();
  try {
    const database = await openDatabase(config, log);
    shutdown.add(() => database.stop());
    const secret = await loadSecret(config);
    const pool = createPool(database.url, log);
    shutdown.add(() => pool.end());
    const templates = await loadTemplates(config.templatesDir);
    if (role !== 'api') {
      const nodes = await startNodes({ config, url: database.url, templates, secret, log, onFatal });
      // Side by side: each may take the whole grace.
      shutdown.add(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
    }
    let apiPort: number | null = null;
    if (role !== 'node') {
      const exportPool = createPool(database.url, log, { max: MOST_EXPORTS, name: 'campanile export' });
      shutdown.add(() => exportPool.end());
      const news = createNews();
      const events = await startEvents({
        url: database.url,
        secret,
        allowPrivateHosts: config.allowPrivateWebhooks,
        log,
        onEvents: news.tell,
      });
      shutdown.add(events.stop);
      const api = createApi({
        pool,
        exportPool,
        news,
        secret,
        outsideIssuer: config.jwtIssuer,
        trustProxy: config.trustProxy,
        log,
        hasTemplate: (name) => templates.has(name),
        convertAudio,
        allowPrivateHosts: config.allowPrivateHosts,
        allowPrivateWebhooks: config.allowPrivateWebhooks,
        speech: speechForApi(config),
      });
      shutdown.add(() => api.stop(config.stopGraceSeconds * 1000));
      apiPort = (await api.start(config.listen)).port;
      log.info({ url: `http://${config.listen.host}:${apiPort}` }, 'the API listens');
    }
    return { apiPort, stop: shutdown.stop };
  } catch (error) {
    await shutdown.stop();
    throw error;
  }
}

/** The node beside Asterisk, and the one that calls test campaigns, as CAMPANILE_TEST_MODE says. */
async function startNodes(options: NodeOptions): Promise<{ stop(): Promise<void> }[]> {
  const { testMode } = options.config;
  if (testMode === 'only') return [await startSandboxNode(options)];
  const node = await startNode(options);
  return testMode === 'on' ? [node, keepSandboxNode(options)] : [node];
}
