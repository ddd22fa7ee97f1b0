import { stat } from 'node:fs/promises';
import { join } from 'node:path';

// What lies in Asterisk's run directory (main/asterisk.c), and what it means:
//
//   asterisk.pid, asterisk.ctl   made anew early in each start; removed by an orderly stop; left behind by a crash
//
//   both missing                 Asterisk is stopped (or this is not its run directory)
//   either there                 it runs, or it crashed and was not started again: then nothing takes calls, and the
//                                time is still that of the start which the calls of outgoing/ belong to
//
// Whether the process lives is not asked: in containers its pid is another's here. A start takes a second or more from
// the pid file to the first call (the spool thread sleeps a second at least), which src/spool/reconcile.ts relies on.

/** When the running Asterisk started, to the resolution of the filesystem, or null when it does not run. */
export async function startedAt(runDirectory: string): Promise<Date | null> {
  const found = await Promise.all(
    ['asterisk.pid', 'asterisk.ctl'].map((name) => stat(join(runDirectory, name)).catch(() => null)),
  );
  const times = found.flatMap((file) => (file ? [file.mtimeMs] : []));
  return times.length > 0 ? new Date(Math.max(...times)) : null;
}
