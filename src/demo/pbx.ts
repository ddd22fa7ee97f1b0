import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startAsterisk } from '../lab/asterisk.js';
import { startFarEnd } from '../lab/far-end.js';
import type { FarEndCall } from '../lab/far-end-log.js';
import type { Image } from '../lab/image.js';
import { freePort } from '../lab/ports.js';
import type { Logger } from '../log.js';
import { packageRoot } from '../root.js';
import { startSandboxPbx } from '../sandbox/pbx.js';
import { PBX_TRUNK } from './campaign.js';
import type { PbxChoice } from './pbx-choice.js';

/** A PBX with people behind it. */
export interface DemoPbx {
  spoolDir: string;
  runDir: string;
  /** `uid:gid` that call files are given to, or null. */
  owner: string | null;
  /** What the far end saw, in the order of the INVITEs. */
  calls(): Promise<FarEndCall[]>;
  /** Copies what the PBX logged into a directory. */
  saveLogs(directory: string): Promise<void>;
  stop(): Promise<void>;
}

/** Seconds that a far end which answers late rings before. */
const LATE_SECONDS = 2;

/** Starts the chosen PBX in `dir`. */
export function startDemoPbx(choice: PbxChoice, dir: string, log: Logger): Promise<DemoPbx> {
  return choice.pbx === 'asterisk' ? startReal(choice.image, dir) : startSandbox(dir, log);
}

async function startReal(image: Image, dir: string): Promise<DemoPbx> {
  const farEnd = await startFarEnd({
    image,
    dir: join(dir, 'far-end'),
    port: await freePort('udp'),
    ringSeconds: LATE_SECONDS,
  });
  try {
    const asterisk = await startAsterisk({
      image,
      dir: join(dir, 'asterisk'),
      sipPort: await freePort('udp'),
      farEnds: { [PBX_TRUNK]: farEnd.address },
      includes: [join(packageRoot, 'dialplan', 'campanile.conf')],
    });
    return {
      spoolDir: asterisk.spoolDir,
      runDir: asterisk.runDir,
      owner: `${asterisk.uid}:${asterisk.gid}`,
      calls: () => farEnd.calls(),
      async saveLogs(directory) {
        await copyFile(asterisk.logFile, join(directory, 'asterisk.log')).catch(() => {});
        await copyFile(farEnd.logFile, join(directory, 'far-end.log')).catch(() => {});
      },
      async stop() {
        await asterisk.stop();
        await farEnd.stop();
      },
    };
  } catch (error) {
    await farEnd.stop();
    throw error;
  }
}

async function startSandbox(dir: string, log: Logger): Promise<DemoPbx> {
  const spoolDir = join(dir, 'spool');
  const runDir = join(dir, 'run');
  await mkdir(join(spoolDir, 'outgoing'), { recursive: true });
  const sandbox = await startSandboxPbx({
    spoolDir,
    runDir,
    log,
    ringSeconds: LATE_SECONDS,
    knownTrunks: [PBX_TRUNK],
  });
  return {
    spoolDir,
    runDir,
    owner: null,
    calls: async () =>
      sandbox.calls().map(({ callerId, ...call }, i) => ({
        ...call,
        callId: String(i),
        from: callerId,
        cancelled: call.finalStatus === 487,
      })),
    // It logs where Campanile does.
    saveLogs: async () => {},
    stop: () => sandbox.stop(),
  };
}
