import { join } from 'node:path';
import type { CallId } from '../calls/call-id.js';
import { fileNameOf } from './name.js';
import type { Place } from './reconcile.js';
import { look } from './withdrawal.js';

/** Where the file of a call lies below Asterisk's spool, and when its call began; for a person who asks, once. */
export function findCallFile(spoolDir: string, callId: CallId): { place: Place; begunAt: Date | null } {
  const directories = {
    outgoing_done: 'outgoing_done',
    outgoing: 'outgoing',
    staging: 'campanile/staging',
  } as const;
  for (const [place, directory] of Object.entries(directories) as [Place, string][]) {
    const found = look(join(spoolDir, directory, fileNameOf(callId)));
    if (found) return { place, begunAt: found.begunAt };
  }
  return { place: 'nowhere', begunAt: null };
}
