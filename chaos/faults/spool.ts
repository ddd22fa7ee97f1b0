import { chown, copyFile, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../../src/lab/condition.js';
import { callIdOfFile } from '../../src/spool/name.js';
import { type Allowance, type Fault, NotReached } from '../fault.js';
import type { ChaosLab } from '../lab.js';

const TAKEN_AWAY: Allowance = {
  because: 'open, nowhere: `lost` after a grace of 10 s (`answered` if FastAGI saw it)',
  dispositions: ['lost'],
};
const NOT_WRITTEN: Allowance = {
  because:
    'the spool is read-only, the disk is full: what Asterisk could not report ends `lost`, or by what is known',
  dispositions: ['lost', 'failed', 'unreachable', 'no_answer'],
};

const outgoing = (lab: ChaosLab, name = '') => join(lab.asterisk.spoolDir, 'outgoing', name);
const done = (lab: ChaosLab, name = '') => join(lab.asterisk.spoolDir, 'outgoing_done', name);

/** A call file of ours whose call is going on. */
async function callInProgress(lab: ChaosLab): Promise<string> {
  const found = await until(
    async () => {
      const names = (await readdir(outgoing(lab))).filter((name) => callIdOfFile(name) !== null);
      const name = names[Math.floor(lab.random() * names.length)];
      if (!name) return null;
      const text = await readFile(outgoing(lab, name), 'utf8').catch(() => '');
      return text.includes('StartRetry') ? name : null;
    },
    { timeoutMs: 10_000, everyMs: 5 },
  );
  if (!found) throw new NotReached('no call was going on');
  return found;
}

async function untilGone(what: string, isThere: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const gone = await until(async () => !(await isThere()), { timeoutMs, everyMs: 100 });
  if (!gone) throw new Error(`${what} after ${timeoutMs / 1000} s`);
}

/** What happens to files and directories of the spool, by hand or by its disk. */
export const spoolFaults: readonly Fault[] = [
  {
    kind: 'outgoing_done deleted',
    component: 'spool',
    seconds: 2,
    allows: TAKEN_AWAY,
    inject: (lab) => rm(done(lab), { recursive: true, force: true }),
  },
  {
    kind: 'a file taken away by hand',
    component: 'spool',
    seconds: 2,
    allows: TAKEN_AWAY,
    async inject(lab) {
      const name = await callInProgress(lab);
      await rm(outgoing(lab, name), { force: true });
    },
  },
  {
    // Asterisk knows by its pid that it made this call itself. One that was started since would make it again.
    kind: 'a file of ours copied back in',
    component: 'spool',
    needs: ['asterisk', 'campanile', 'postgres'],
    seconds: 90,
    async inject(lab) {
      const name = await callInProgress(lab);
      const copy = join(lab.asterisk.spoolDir, 'copy');
      await copyFile(outgoing(lab, name), copy).catch(() => {
        throw new NotReached('the call was over before its file was copied');
      });
      const [tenantId, attemptId] = name.replace(/\.call$/, '').split('.');
      const isOpen = async () => {
        const sql = `SELECT FROM attempts WHERE tenant_id = $1 AND id = $2 AND state = 'open'`;
        return (await lab.query(sql, [tenantId, attemptId])).length > 0;
      };
      // One whose clock was set back before may ring for five minutes.
      const isOver = await until(async () => !(await isOpen()), { timeoutMs: 60_000, everyMs: 100 });
      if (!isOver) throw new NotReached('the call was up for longer than a minute');
      await chown(copy, lab.asterisk.uid, lab.asterisk.gid);
      await utimes(copy, new Date(), new Date());
      await rename(copy, outgoing(lab, name));
      const isThere = async () => (await readdir(outgoing(lab))).includes(name);
      await untilGone('the copy lies in outgoing/', isThere, 80_000);
    },
  },
  {
    kind: 'a foreign file dropped in',
    component: 'spool',
    needs: ['asterisk'],
    seconds: 12,
    async inject(lab) {
      const name = `admin-${Math.floor(lab.random() * 1e9)}.call`;
      const made = join(lab.asterisk.spoolDir, name);
      await writeFile(
        made,
        'Channel: Local/s@campanile-doctor/n\nApplication: Wait\nData: 1\nArchive: yes\nMaxRetries: 0\n',
      );
      await chown(made, lab.asterisk.uid, lab.asterisk.gid);
      await rename(made, outgoing(lab, name));
      const archived = async () =>
        (await readFile(done(lab, name), 'utf8').catch(() => '')).includes('Status:');
      if (!(await until(archived, { timeoutMs: 10_000 }))) throw new Error(`${name} was not dialled`);
      // Longer than the reconciler needs to come by.
      await sleep(6000);
      if (!(await archived())) throw new Error(`${name} was taken away`);
      await rm(done(lab, name));
    },
  },
  {
    kind: 'the spool read-only',
    component: 'spool',
    needs: ['asterisk'],
    seconds: 15,
    allows: NOT_WRITTEN,
    async inject(lab) {
      await lab.spoolDisk.makeReadOnly();
      await sleep(3000 + lab.random() * 10_000);
      await lab.spoolDisk.makeWritable();
    },
  },
  {
    kind: 'the disk full',
    component: 'spool',
    seconds: 15,
    allows: NOT_WRITTEN,
    async inject(lab) {
      await lab.spoolDisk.fill();
      await sleep(3000 + lab.random() * 10_000);
      await lab.spoolDisk.empty();
    },
  },
];
