import { parentPort, workerData } from 'node:worker_threads';
import { createLog } from '../log.js';
import { startSandboxPbx } from './pbx.js';
import { createTestManners } from './test-numbers.js';
import type { SandboxThreadOptions } from './thread.js';

// The sandbox PBX of test campaigns in a thread of its own (thread.ts): it says `ready`, and ends when it is told anything.

const { spoolDir, runDir, agiUrl, speed, logLevel } = workerData as SandboxThreadOptions;
const pbx = await startSandboxPbx({
  spoolDir,
  runDir,
  agiUrl,
  speed,
  mannerOf: createTestManners(),
  callLog: 0,
  log: createLog(logLevel),
});
parentPort!.once('message', () => void pbx.stop().then(() => parentPort!.close()));
parentPort!.postMessage('ready');
