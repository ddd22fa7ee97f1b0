import { join } from 'node:path';
import { sandboxNameOf } from '../calls/node-name.js';
import type { Config } from '../config.js';
import { startSandboxThread } from '../sandbox/thread.js';
import { createShutdown } from '../shutdown.js';
import { makeSandboxSpool } from '../spool/sandbox-spool.js';
import { loadTemplates } from '../spool/template-file.js';
import { type NodeOptions, startNode } from './node.js';

/** How many times as fast as real time a test call rings, plays and talks. docs/test-mode.md names it. */
export const TEST_SPEED = 10;
/** More would show nothing, and every call costs the process that makes the real ones a millisecond. */
const CALLS_PER_SECOND = 20;
const AGAIN_MS = 10_000;

export type SandboxNodeOptions = Omit<NodeOptions, 'templates'>;

/**
 * Starts the node that calls test campaigns: all that a node is, on a spool of its own, with the sandbox PBX in the place of
 * Asterisk. It needs nothing of this machine but a directory and a port on loopback.
 */
export async function startSandboxNode(options: SandboxNodeOptions): Promise<{ stop(): Promise<void> }> {
  const { log } = options;
  const shutdown = createShutdown();
  try {
    const config = sandboxConfigOf(options.config);
    await makeSandboxSpool(config.spoolDir);
    const node = await startNode({ ...options, config, templates: await loadTemplates(), speed: TEST_SPEED });
    shutdown.add(node.stop);
    const pbx = await startSandboxThread(
      {
        spoolDir: config.spoolDir,
        runDir: config.asteriskRunDir,
        agiUrl: `agi://127.0.0.1:${node.agiPort}`,
        speed: TEST_SPEED,
        logLevel: config.logLevel,
      },
      log,
    );
    // The node first: it waits for calls that are up, as long as it may.
    return {
      stop: async () => {
        await shutdown.stop();
        await pbx.stop();
      },
    };
  } catch (error) {
    await shutdown.stop();
    throw error;
  }
}

/**
 * The same, where real calls matter more: it resolves at once, and whatever keeps the sandbox from running is logged and tried
 * again, for ever.
 */
export function keepSandboxNode(options: Omit<SandboxNodeOptions, 'onFatal'>): { stop(): Promise<void> } {
  const { log } = options;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let work = Promise.resolve();
  let node: { stop(): Promise<void> } | null = null;

  function begin(): void {
    work = work.then(async () => {
      await end();
      if (stopped) return;
      try {
        node = await startSandboxNode({ ...options, onFatal: again });
      } catch (error) {
        again(error);
      }
    });
  }

  function again(error: unknown): void {
    if (stopped) return;
    log.error({ err: error }, 'test campaigns are not called; trying again');
    clearTimeout(timer);
    timer = setTimeout(begin, AGAIN_MS);
  }

  async function end(): Promise<void> {
    await node?.stop().catch((error) => log.error({ err: error }, 'cannot stop the sandbox node'));
    node = null;
  }

  begin();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await work;
      await end();
    },
  };
}

/** The spool of the sandbox node beside a node. */
export function sandboxSpoolOf(config: Config): string {
  return join(rootOf(config), 'spool');
}

function rootOf({ dataDir, nodeName }: Config): string {
  return join(dataDir, 'test', nodeName);
}

function sandboxConfigOf(config: Config): Config {
  const root = rootOf(config);
  return {
    ...config,
    nodeName: sandboxNameOf(config.nodeName),
    nodePorts: config.testPorts,
    nodeCallsPerSecond: CALLS_PER_SECOND,
    spoolDir: sandboxSpoolOf(config),
    asteriskRunDir: join(root, 'run'),
    soundsDir: join(root, 'sounds'),
    // One at a time: the texts of real calls come first.
    speech: { ...config.speech, directory: join(root, 'sounds', 'speech'), atOnce: 1 },
    spoolOwner: null,
    agiListen: { host: '127.0.0.1', port: 0 },
    // What call files name. The sandbox is told where its node listens: no call may go to that of another.
    agiUrl: 'agi://sandbox:1',
    keepFilesSeconds: 0,
  };
}
