import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { issueToken } from '../src/api/token.js';
import { freePort } from '../src/lab/ports.js';
import { type Ground, startChild } from './line.js';

const SECRET = 'a secret of the benchmark that has more than 32 bytes';

/** `campanile serve --role api` as a process of its own: a fresh one for each measurement, so that its peak is of that alone. */
export interface ApiServer {
  url: string;
  /** The header of a tenant's requests. */
  authorization(tenantId: string): string;
  /** The most resident memory that it ever had, in MiB (VmHWM of Linux). */
  peakMib(): Promise<number>;
  stop(): Promise<void>;
}

export async function startApiServer(ground: Ground): Promise<ApiServer> {
  const port = await freePort('tcp');
  const url = `http://127.0.0.1:${port}`;
  const child = await startChild('src/cli/campanile.js', ['serve', '--role', 'api'], {
    DATABASE_URL: ground.url,
    CAMPANILE_DATA: join(ground.dir, 'data'),
    CAMPANILE_LISTEN: `127.0.0.1:${port}`,
    CAMPANILE_METRICS_LISTEN: '127.0.0.1:0',
    CAMPANILE_SECRET: SECRET,
    CAMPANILE_LOG_LEVEL: 'error',
  });
  while (!(await fetch(`${url}/healthz`).catch(() => null))?.ok) await sleep(100);
  return {
    url,
    authorization: (tenantId) => `Bearer ${issueToken(Buffer.from(SECRET), { tenantId }, 3600)}`,
    async peakMib() {
      const status = await readFile(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    },
    stop: child.stop,
  };
}
