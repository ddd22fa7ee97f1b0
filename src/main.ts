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
import { API_CHECKS, startMonitoring } from './monitoring/start.js';
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
  /** Where /metrics and /readyz are; null while nothing can listen there. */
  readonly metricsPort: number | null;
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
    const monitoring = await startMonitoring(config.metricsListen, log);
    const { metrics, readiness } = monitoring;
    shutdown.add(monitoring.stop);
    const database = await openDatabase(config, log);
    shutdown.add(() => database.stop());
    shutdown.add(monitoring.watchDatabase(database.url));
    const secret = await loadSecret(config);
    const pool = createPool(database.url, log);
    shutdown.add(() => pool.end());
    metrics.watchPool(pool);
    const templates = await loadTemplates(config.templatesDir);
    if (role !== 'api') {
      const common = { config, url: database.url, templates, secret, metrics, log, onFatal };
      const nodes = await startNodes({ ...common, readiness });
      // Side by side: each may take the whole grace.
      shutdown.add(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
    }
    let apiPort: number | null = null;
    if (role !== 'node') {
      const exportPool = createPool(database.url, log, { max: MOST_EXPORTS, name: 'campanile export' });
      shutdown.add(() => exportPool.end());
      metrics.watchPool(exportPool);
      const news = createNews();
      const events = await startEvents({
        url: database.url,
        secret,
        allowPrivateHosts: config.allowPrivateWebhooks,
        log,
        onPool: metrics.watchPool,
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
        ready: () => readiness.look(API_CHECKS),
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
    monitoring.started();
    return {
      apiPort,
      get metricsPort() {
        return monitoring.port;
      },
      stop() {
        monitoring.stopping();
        return shutdown.stop();
      },
    };
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
  if (testMode === 'off') return [node];
  // Test calls are not what a process is ready for beside real ones.
  const { readiness: _, ...others } = options;
  return [node, keepSandboxNode(others)];
}
