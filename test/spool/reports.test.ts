import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createReports } from '../../src/spool/reports.js';
import { list, makeSpool, newCall, type TempSpool } from './temp-spool.js';

let temp: TempSpool;
beforeEach(async () => {
  temp = await makeSpool();
});
afterEach(() => temp.remove());

const VALUES = '17|486||PJSIP/carrier-1|PJSIP/carrier-1|12.5|0.0';
const BUSY = { hangupCause: 17, sipStatus: 486, dialStatus: null, hungUpBy: 'callee', ringSeconds: 12.5 };
const lineOf = (callId: string, values = VALUES) => `${callId}|hangup|${values}\n`;
const files = () => list(temp.spool.reports);

describe('a report', () => {
  it('is read as the hangup handler wrote it, until its call is forgotten', async () => {
    const reports = createReports(temp.spool);
    const [one, other] = [newCall().callId, newCall().callId];
    expect(reports.find([one, other])).toEqual(new Map());
    await appendFile(reports.currentFile(), lineOf(one));
    expect(reports.find([one, other])).toEqual(new Map([[one, { ...BUSY, talkSeconds: 0 }]]));
    await appendFile(reports.currentFile(), lineOf(other));
    expect([...reports.find([other, one]).keys()]).toEqual([other, one]);
    reports.forget([one]);
    expect([...reports.find([one, other]).keys()]).toEqual([other]);
  });

  it('that is half written is read when it is whole, and the last of a call counts', async () => {
    const reports = createReports(temp.spool);
    const { callId } = newCall();
    const line = lineOf(callId);
    await appendFile(reports.currentFile(), line.slice(0, 60));
    expect(reports.find([callId]).size).toBe(0);
    await appendFile(reports.currentFile(), line.slice(60));
    expect(reports.find([callId]).get(callId)).toMatchObject({ hangupCause: 17 });
    await appendFile(reports.currentFile(), lineOf(callId, '16|200||a|b|20|10'));
    expect(reports.find([callId]).get(callId)).toMatchObject({ hangupCause: 16, talkSeconds: 10 });
  });

  it('behind one that a crash cut short is read', async () => {
    const reports = createReports(temp.spool);
    const [cut, whole] = [newCall().callId, newCall().callId];
    await appendFile(reports.currentFile(), `${lineOf(cut).slice(0, -9)}${lineOf(whole)}`);
    expect([...reports.find([cut, whole]).keys()]).toEqual([whole]);
  });

  it.each(['', 'x', '|hangup|', '|answered|17|486||a|b|1|1', '|hangup|17|486', '\0\0\0'])(
    'that is garbled (%j) is none, and the next is read',
    async (text) => {
      const reports = createReports(temp.spool);
      const [garbled, next] = [newCall().callId, newCall().callId];
      await appendFile(reports.currentFile(), `${garbled}${text}\n${lineOf(next)}`);
      expect([...reports.find([garbled, next]).keys()]).toEqual([next]);
    },
  );

  it('in a file that was taken away and made anew is read', async () => {
    const reports = createReports(temp.spool);
    const [early, late] = [newCall().callId, newCall().callId];
    await appendFile(reports.currentFile(), lineOf(early) + lineOf(newCall().callId));
    reports.find([early]);
    await rm(reports.currentFile());
    await appendFile(reports.currentFile(), lineOf(late));
    expect([...reports.find([early, late]).keys()]).toEqual([early, late]);
  });
});

describe('a file', () => {
  it('from before a restart is read, and removed when the calls that were open have ended', async () => {
    const [done, up] = [newCall().callId, newCall().callId];
    const before = createReports(temp.spool);
    await appendFile(before.currentFile(), lineOf(done));
    await writeFile(join(temp.spool.reports, 'notes.txt'), 'mine');
    const after = createReports(temp.spool);
    expect(after.currentFile()).not.toBe(before.currentFile());
    expect(after.find([done]).size).toBe(1);
    expect(after.tidy(new Set([done, up]))).toBe(0);
    expect(after.tidy(new Set([up, newCall().callId]))).toBe(0);
    await appendFile(before.currentFile(), lineOf(up));
    expect(after.find([up]).size).toBe(1);
    expect(after.tidy(new Set([newCall().callId]))).toBe(1);
    expect(await files()).toEqual(['notes.txt']);
  });

  it('that has grown large gives way to a new one, and stays for the calls that were given it', async () => {
    const reports = createReports(temp.spool, { newFileBytes: 100 });
    const first = reports.currentFile();
    const up = newCall().callId;
    await appendFile(first, lineOf(newCall().callId));
    reports.tidy(new Set([up]));
    expect(reports.currentFile()).not.toBe(first);
    await appendFile(reports.currentFile(), lineOf(newCall().callId));
    reports.tidy(new Set([up]));
    reports.tidy(new Set([up]));
    await appendFile(first, lineOf(up));
    expect(reports.find([up]).size).toBe(1);
    for (let i = 0; i < 3; i += 1) reports.tidy(new Set());
    expect(await files()).toEqual([]);
  });

  it('that comes back after it was removed, by a call nobody knew of, is read and removed again', async () => {
    const reports = createReports(temp.spool, { newFileBytes: 100 });
    const first = reports.currentFile();
    await appendFile(first, lineOf(newCall().callId));
    for (let i = 0; i < 3; i += 1) reports.tidy(new Set());
    const late = newCall().callId;
    await appendFile(first, lineOf(late));
    reports.tidy(new Set([late]));
    expect(reports.find([late]).size).toBe(1);
    for (let i = 0; i < 2; i += 1) reports.tidy(new Set());
    expect(await files()).toEqual([]);
  });
});

it('reports of calls that are not open are let go of, those of calls that have just begun are not', async () => {
  const reports = createReports(temp.spool);
  const [open, gone, young] = [newCall().callId, newCall().callId, newCall().callId];
  await appendFile(reports.currentFile(), lineOf(open) + lineOf(gone) + lineOf(young));
  reports.tidy(new Set([open]));
  expect(reports.find([open, gone, young]).size).toBe(3);
  reports.tidy(new Set([open, young]));
  expect([...reports.find([open, gone, young]).keys()]).toEqual([open, young]);
});
