import { watch } from 'node:fs';
import { appendFile, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCallFile } from '../../src/spool/call-file.js';
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

/** Resolves when `withdraw` has taken the file away and is waiting to see what Asterisk does. */
function takenAway(): Promise<void> {
  return until(async () => (await list(temp.spool.outgoing)).length === 0);
}

async function hasBegun(path: string): Promise<boolean> {
  return parseCallFile(await readFile(path, 'utf8')).diary.length > 0;
}

describe('withdrawing', () => {
  it('takes a file that Asterisk has not begun to staging/', async () => {
    expect(await withdraw(temp.spool, name)).toBe('withdrawn');
    expect(await list(temp.spool.outgoing)).toEqual([]);
    expect(await list(temp.spool.staging)).toEqual([name]);
  });

  it('never moves a file whose call has begun: Asterisk would not find it when the call is over', async () => {
    await begin(temp.spool.outgoing, name);
    const seen: string[] = [];
    const watcher = watch(temp.spool.outgoing, (event) => seen.push(event));
    try {
      expect(await withdraw(temp.spool, name)).toBe('begun');
      await writeFile(join(temp.spool.outgoing, 'marker'), '');
      await until(() => seen.length > 0);
      // The marker alone: one event for its creation, and nothing before it.
      expect(seen[0]).toBe('rename');
      expect(seen.filter((event) => event === 'rename')).toHaveLength(1);
    } finally {
      watcher.close();
    }
    expect(await list(temp.spool.staging)).toEqual([]);
  });

  it('finds a call over, or a file that was never there, gone', async () => {
    await archive(temp.spool, name);
    expect(await withdraw(temp.spool, name)).toBe('gone');
    expect(await withdraw(temp.spool, newCall().name)).toBe('gone');
  });

  it('puts the file back when Asterisk, which had opened it, writes into it after all', async () => {
    const answer = withdraw(temp.spool, name);
    await takenAway();
    // Through the open file: the time is set by name, and the name is not there.
    const printed = Math.floor(Date.now() / 1000) + 864_000;
    await appendFile(staged, `\nStartRetry: 1 1 (${printed})\n`);
    expect(await answer).toBe('begun');
    expect(await list(temp.spool.staging)).toEqual([]);
    expect(await hasBegun(outgoing)).toBe(true);
    // Or a restarted Asterisk would dial again.
    expect((await stat(outgoing)).mtimeMs).toBeGreaterThan(Date.now() + 800_000_000);
  });

  it('leaves the file that Asterisk made anew, having read the old one, and never puts an untouched one over it', async () => {
    const answer = withdraw(temp.spool, name);
    await takenAway();
    await begin(temp.spool.outgoing, name);
    expect(await answer).toBe('begun');
    expect(await hasBegun(outgoing)).toBe(true);
    expect(await list(temp.spool.staging)).toEqual([]);
  });

  it('sees that such a call is over already', async () => {
    const answer = withdraw(temp.spool, name);
    await takenAway();
    await begin(temp.spool.staging, newCall().name);
    await writeFile(join(temp.root, 'anew'), '\nStartRetry: 1 1 (1)\n');
    await rename(join(temp.root, 'anew'), join(temp.spool.done, name));
    expect(await answer).toBe('begun');
  });

  it('tells others that it is at work on a name, until it is not', async () => {
    const answer = withdraw(temp.spool, name);
    await until(() => temp.spool.withdrawing.has(name));
    await answer;
    expect(temp.spool.withdrawing.size).toBe(0);
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
  it('makes the file new to Asterisk, and does not lose it if Asterisk deletes the name just then', async () => {
    const seen: string[] = [];
    const watcher = watch(temp.spool.outgoing, (event, file) => seen.push(`${event} ${file}`));
    try {
      expect(await announceAgain(temp.spool, name)).toBe('announced');
      // Away, and here again. Node shows IN_CREATE and IN_DELETE alike; opening makes no event that it shows.
      await until(() => seen.filter((event) => event === `rename ${name}`).length === 2);
    } finally {
      watcher.close();
    }
    expect(await readFile(outgoing, 'utf8')).toBe(CONTENT);
    expect((await stat(outgoing)).ino).toBe((await stat(staged)).ino);
  });

  it('leaves alone a call that has begun, and one that is over', async () => {
    await begin(temp.spool.outgoing, name);
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
    await begin(temp.spool.outgoing, name);
    await rename(outgoing, staged);
    restore(temp.spool, name);
    expect(await list(temp.spool.outgoing)).toEqual([name]);
    await archive(temp.spool, name);
    await appendStatus(temp.spool, name);
    await rename(join(temp.spool.done, name), staged);
    restore(temp.spool, name);
    expect([await list(temp.spool.outgoing), await list(temp.spool.done)]).toEqual([[], [name]]);
  });

  it('does not put it over one that is there', async () => {
    await begin(temp.spool.outgoing, name);
    await writeFile(staged, `${CONTENT}StartRetry: 9 9 (9)\n`);
    restore(temp.spool, name);
    expect(await readFile(outgoing, 'utf8')).not.toContain('9 9');
    expect(await list(temp.spool.staging)).toEqual([]);
  });
});
