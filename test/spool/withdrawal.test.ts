import { renameSync, statSync, watch } from 'node:fs';
import { readFile, rename, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { announceAgain, restore, withdraw } from '../../src/spool/withdrawal.js';
import {
  appendStatus,
  archive,
  begin,
  CONTENT,
  list,
  makeSpool,
  newCall,
  type TempSpool,
  until,
} from './temp-spool.js';

let temp: TempSpool;
let name: string;
let outgoing: string;
let staged: string;
beforeEach(async () => {
  temp = await makeSpool();
  ({ name } = newCall());
  outgoing = join(temp.spool.outgoing, name);
  staged = join(temp.spool.staging, name);
  await writeFile(outgoing, CONTENT);
});
afterEach(() => temp.remove());

/** Whether the file waits, as it does from the call of `withdraw` on, to show whether Asterisk was past its stat. */
function isFrozen(): boolean {
  return statSync(outgoing).mtimeMs > Date.now() + 1_000_000_000;
}

describe('withdrawing', () => {
  it('takes a file that Asterisk has not begun to staging/', async () => {
    expect(await withdraw(temp.spool, name)).toBe('withdrawn');
    expect(await list(temp.spool.outgoing)).toEqual([]);
    expect(await list(temp.spool.staging)).toEqual([name]);
  });

  it('leaves a file whose call has begun as it is', async () => {
    begin(temp.spool.outgoing, name);
    const before = await stat(outgoing);
    expect(await withdraw(temp.spool, name)).toBe('begun');
    expect((await stat(outgoing)).ctimeMs).toBe(before.ctimeMs);
    expect(await list(temp.spool.staging)).toEqual([]);
  });

  it('finds a call that is over, or a file that was never there, gone', async () => {
    await archive(temp.spool, name);
    expect(await withdraw(temp.spool, name)).toBe('gone');
    expect(await withdraw(temp.spool, newCall().name)).toBe('gone');
  });

  it('freezes the file first, and never moves it when Asterisk, past its stat, begins the call after all', async () => {
    const { ino } = await stat(outgoing);
    const seen: string[] = [];
    const watcher = watch(temp.spool.outgoing, (event) => seen.push(event));
    try {
      const answer = withdraw(temp.spool, name);
      expect(isFrozen()).toBe(true);
      begin(temp.spool.outgoing, name);
      expect(await answer).toBe('begun');
      await until(() => seen.length > 0);
    } finally {
      watcher.close();
    }
    // A file that is moved, even for a moment, makes events of this kind.
    expect(seen).not.toContain('rename');
    expect((await stat(outgoing)).ino).toBe(ino);
    expect(await list(temp.spool.staging)).toEqual([]);
  });

  it('lets Asterisk archive a call that was begun and over before it looked again', async () => {
    const answer = withdraw(temp.spool, name);
    expect(isFrozen()).toBe(true);
    begin(temp.spool.outgoing, name);
    renameSync(outgoing, join(temp.spool.done, name));
    expect(await answer).toBe('gone');
    expect([await list(temp.spool.done), await list(temp.spool.staging)]).toEqual([[name], []]);
  });

  it('is one at a time for each file', async () => {
    const first = withdraw(temp.spool, name);
    expect(await withdraw(temp.spool, name)).toBe('gone');
    expect(await announceAgain(temp.spool, name)).toBe('gone');
    expect(await first).toBe('withdrawn');
    await rename(staged, outgoing);
    expect(await withdraw(temp.spool, name)).toBe('withdrawn');
  });

  it('does not take a file away that was just announced, which Asterisk may be reading', async () => {
    const announcing = announceAgain(temp.spool, name);
    expect(isFrozen()).toBe(true);
    expect(await withdraw(temp.spool, name)).toBe('gone');
    expect(await announcing).toBe('announced');
    expect(await list(temp.spool.outgoing)).toEqual([name]);
  });

  it('refuses to touch a file that is not ours', async () => {
    await writeFile(join(temp.spool.outgoing, 'doorbell.call'), CONTENT);
    await expect(withdraw(temp.spool, 'doorbell.call')).rejects.toMatchObject({ code: 'spool_name_refused' });
    await expect(announceAgain(temp.spool, 'doorbell.call')).rejects.toMatchObject({
      code: 'spool_name_refused',
    });
  });
});

describe('announcing again', () => {
  it('makes the file new to Asterisk, and due', async () => {
    const seen: string[] = [];
    const watcher = watch(temp.spool.outgoing, (event, file) => seen.push(`${event} ${file}`));
    try {
      expect(await announceAgain(temp.spool, name)).toBe('announced');
      // Away, and here again: IN_MOVED_FROM and IN_CREATE are alike to Node. That Asterisk then looks was tried on it.
      await until(() => seen.filter((event) => event === `rename ${name}`).length === 2);
    } finally {
      watcher.close();
    }
    expect(await readFile(outgoing, 'utf8')).toBe(CONTENT);
    expect((await stat(outgoing)).mtimeMs).toBeLessThanOrEqual(Date.now());
    expect(await list(temp.spool.staging)).toEqual([]);
  });

  it('thaws a file that was frozen when we died', async () => {
    const ahead = Date.now() / 1000 + 1_000_000;
    await utimes(outgoing, ahead, ahead);
    expect(await announceAgain(temp.spool, name)).toBe('announced');
    expect((await stat(outgoing)).mtimeMs).toBeLessThanOrEqual(Date.now());
  });

  it('leaves alone a call that has begun, and one that is over', async () => {
    begin(temp.spool.outgoing, name);
    const before = await stat(outgoing);
    expect(await announceAgain(temp.spool, name)).toBe('begun');
    expect((await stat(outgoing)).ctimeMs).toBe(before.ctimeMs);
    await archive(temp.spool, name);
    expect(await announceAgain(temp.spool, name)).toBe('gone');
    expect(await list(temp.spool.staging)).toEqual([]);
  });
});

describe('restoring', () => {
  it('puts a begun file where Asterisk looks for it, and one that is over where we do', async () => {
    begin(temp.spool.outgoing, name);
    await rename(outgoing, staged);
    await utimes(staged, new Date(), new Date());
    restore(temp.spool, name);
    expect(await list(temp.spool.outgoing)).toEqual([name]);
    // Or a restarted Asterisk would dial again.
    expect((await stat(outgoing)).mtimeMs).toBeGreaterThan(Date.now() + 1_000_000_000);
    await archive(temp.spool, name);
    await appendStatus(temp.spool, name);
    await rename(join(temp.spool.done, name), staged);
    restore(temp.spool, name);
    expect([await list(temp.spool.outgoing), await list(temp.spool.done)]).toEqual([[], [name]]);
  });

  it('does not put it over one that is there', async () => {
    begin(temp.spool.outgoing, name);
    await writeFile(staged, `${CONTENT}StartRetry: 9 9 (9)\n`);
    restore(temp.spool, name);
    expect(await readFile(outgoing, 'utf8')).not.toContain('9 9');
    expect(await list(temp.spool.staging)).toEqual([]);
  });
});
