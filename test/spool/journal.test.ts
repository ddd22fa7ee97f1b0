import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/ids.js';
import { mountSmallDisk } from '../../src/lab/small-disk.js';
import { createJournal, type Journal } from '../../src/spool/journal.js';
import { makeSpool, newCall, type TempSpool } from './temp-spool.js';

const DAY = 86_400_000;

let temp: TempSpool;
let time: number;
beforeEach(async () => {
  temp = await makeSpool();
  time = Date.parse('2026-03-01T10:00:00Z');
});
afterEach(() => temp.remove());

const open = () => createJournal(temp.spool, () => time);
const claim = () => ({ callId: newCall().callId, contactId: newId(), trunkId: newId(), pbxTrunk: 'far' });
const idsOf = (journal: Journal) => [...journal.readBack()].flat().map(({ callId }) => callId);

describe('the journal of a node', () => {
  it('is read back from its end, over the files of several processes', () => {
    const claims = Array.from({ length: 2500 }, claim);
    open().claimed(claims.slice(0, 1200));
    open().claimed(claims.slice(1200));
    const chunks = [...open().readBack()];
    expect(chunks.map((chunk) => chunk.length)).toEqual([1000, 300, 1000, 200]);
    const inOrder = chunks.toReversed().flat();
    expect(inOrder).toEqual(claims.map((entry) => ({ did: 'claimed', ...entry, at: new Date(time) })));
  });

  it('goes on behind what there is when the clock was set back', () => {
    const [first, second] = [claim(), claim()];
    open().claimed([first]);
    time -= 3_600_000;
    open().claimed([second]);
    expect([...open().readBack()].map(([entry]) => entry!.callId)).toEqual([second.callId, first.callId]);
  });

  it('begins a file a day, and forgets what is older than eight', async () => {
    const journal = open();
    const claims: string[] = [];
    for (let day = 0; day < 12; day++) {
      const one = claim();
      claims.push(one.callId);
      journal.claimed([one]);
      time += DAY;
      journal.tidy();
    }
    const kept = idsOf(journal).toReversed();
    expect(kept).toEqual(claims.slice(-kept.length));
    expect([kept.length, (await readdir(temp.spool.journal)).length]).toEqual([9, 9]);
  });

  it.skipIf(process.getuid?.() !== 0)('has all of the lines or none when the disk is full', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'campanile-journal-'));
    const disk = await mountSmallDisk(directory, 64 << 10);
    try {
      const journal = createJournal({ ...temp.spool, journal: directory }, () => time);
      const [before, after] = [claim(), claim()];
      journal.claimed([before]);
      expect(() => journal.claimed(Array.from({ length: 1000 }, claim))).toThrow('ENOSPC');
      expect(idsOf(journal)).toEqual([before.callId]);
      journal.claimed([after]);
      expect(idsOf(journal)).toEqual([before.callId, after.callId]);
    } finally {
      await disk.unmount();
      await rm(directory, { recursive: true, force: true });
    }
  });
});
