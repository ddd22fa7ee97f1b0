import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SandboxPbx } from '../../src/sandbox/pbx.js';
import { Room } from './room.js';

describe('the last three digits', () => {
  const room = new Room();
  let pbx: SandboxPbx;
  beforeAll(async () => {
    await room.serve();
    pbx = await room.start({ unknownTrunks: ['nowhere'] });
  });
  afterAll(() => room.close());

  const seen = (number: string) => pbx.calls().find((call) => call.number === number);

  test.concurrent.each([
    ['486', 17, 486],
    ['404', 1, 404],
    ['403', 21, 403],
    ['480', 19, 480],
    ['484', 28, 484],
    ['503', 34, 503],
    ['603', 21, 603],
    ['302', 16, 302],
    ['600', 17, 600],
    ['499', 127, 400],
  ])('%s is refused at once, with cause %i', async (code, hangupCause, sipStatus) => {
    const call = room.place(`PJSIP/+1555000${code}@trunk`);
    expect(await room.status(call)).toBe('Expired');
    expect(room.report(call)).toMatchObject({ hangupCause, sipStatus, dialStatus: null, talkSeconds: 0 });
    expect(seen(`+1555000${code}`)).toMatchObject({
      callerId: '+15550001111',
      answeredAt: null,
      endedAt: expect.any(Number),
      finalStatus: sipStatus,
    });
  });

  test.concurrent.each(['200', '777', '202'])('%s hears the whole message', async (code) => {
    const call = room.place(`PJSIP/+1555001${code}@trunk`);
    expect(await room.status(call)).toBe('Completed');
    expect(room.notes.get(call)).toMatchObject({ answeredAt: expect.any(Date), heardSeconds: 3 });
    const report = room.report(call);
    expect(report).toMatchObject({ hangupCause: 16, sipStatus: 200, hungUpBy: 'campanile' });
    expect(report?.talkSeconds).toBeGreaterThanOrEqual(3);
    expect(report?.ringSeconds).toBeGreaterThanOrEqual(code === '202' ? 2 : 0.1);
    expect(seen(`+1555001${code}`)).toMatchObject({ finalStatus: 200, answeredAt: expect.any(Number) });
  });

  test.concurrent.each([
    ['201', 0.7],
    ['203', 0.5],
  ])('%s hangs up in the middle of the message, after %f s', async (code, seconds) => {
    const call = room.place(`PJSIP/+1555002${code}@trunk`);
    expect(await room.status(call)).toBe('Completed');
    expect(room.report(call)).toMatchObject({ hangupCause: 16, hungUpBy: 'callee' });
    expect(room.notes.get(call)?.heardSeconds).toBeLessThan(3);
    expect(room.report(call)?.talkSeconds).toBeGreaterThanOrEqual(seconds);
  });

  test.concurrent('205 presses 5, which ends the message', async () => {
    const call = room.place('PJSIP/+1555003205@trunk');
    expect(await room.status(call)).toBe('Completed');
    expect(room.notes.get(call)).toMatchObject({ key: '5' });
    expect(room.notes.get(call)?.heardSeconds).toBeLessThan(3);
    expect(room.report(call)?.hungUpBy).toBe('campanile');
  });

  test.concurrent.each([
    ['180', 180, 487],
    ['183', 183, 487],
    ['999', 0, null],
  ])('%s rings until WaitTime runs out', async (code, sipStatus, finalStatus) => {
    const call = room.place(`PJSIP/+1555004${code}@trunk`);
    expect(await room.status(call)).toBe('Expired');
    expect(room.report(call)).toMatchObject({ hangupCause: 19, sipStatus, hungUpBy: 'pbx', talkSeconds: 0 });
    expect(room.report(call)?.ringSeconds).toBeGreaterThanOrEqual(3);
    expect(seen(`+1555004${code}`)).toMatchObject({ finalStatus, answeredAt: null });
  });

  test.concurrent('202 is not answered when WaitTime is over before', async () => {
    const call = room.place('PJSIP/+1555005202@trunk', { WaitTime: '1' });
    expect(await room.status(call)).toBe('Expired');
    expect(room.report(call)).toMatchObject({ hangupCause: 19, sipStatus: 180 });
  });

  test.concurrent('a call on a trunk that is not there expires without any report', async () => {
    const call = room.place('PJSIP/+1555006200@nowhere');
    expect(await room.status(call)).toBe('Expired');
    expect(room.notes.get(call)).toBeUndefined();
    expect(room.leftReport(call)).toBeNull();
    expect(seen('+1555006200')).toBeUndefined();
  });

  test.concurrent.each([
    ['486', 17, 486, 'BUSY', 'callee'],
    ['404', 1, 404, 'CHANUNAVAIL', 'callee'],
    ['480', 19, 480, 'NOANSWER', 'callee'],
    ['503', 34, 503, 'CONGESTION', 'callee'],
    ['200', 16, 200, 'ANSWER', 'campanile'],
    ['203', 16, 200, 'ANSWER', 'callee'],
    ['180', 19, 180, 'CANCEL', 'pbx'],
    ['999', 19, null, 'CANCEL', 'pbx'],
    ['302', 0, null, 'CHANUNAVAIL', 'pbx'],
  ])(
    'a routed call to %s tells what Dial() knows',
    async (code, hangupCause, sipStatus, dialStatus, hungUpBy) => {
      const call = room.place(`Local/+1555007${code}@campanile-routed/n`);
      await room.status(call);
      expect(room.report(call)).toMatchObject({ hangupCause, sipStatus, dialStatus, hungUpBy });
    },
  );

  test.concurrent('a routed call to a context that is not there reports cause 3', async () => {
    const call = room.place('Local/+1555009200@campanile-routed/n', {}, 'nowhere');
    expect(await room.status(call)).toBe('Expired');
    expect(room.report(call)).toMatchObject({
      hangupCause: 3,
      sipStatus: null,
      dialStatus: null,
      hungUpBy: 'pbx',
    });
    expect(seen('+1555009200')).toBeUndefined();
  });
});

describe('instant time', () => {
  const room = new Room();
  afterAll(() => room.close());

  test('waits for nothing and keeps what comes first', async () => {
    await room.serve();
    const pbx = await room.start({ instant: true, callLog: 2 });
    const [whole, cut, key, rings] = ['200', '203', '205', '180'].map((code) =>
      room.place(`PJSIP/+1555008${code}@trunk`, { WaitTime: '3600' }),
    ) as [string, string, string, string];
    expect(await Promise.all([whole, cut, key, rings].map((call) => room.status(call)))).toEqual([
      'Completed',
      'Completed',
      'Completed',
      'Expired',
    ]);
    expect(room.notes.get(whole)).toMatchObject({ heardSeconds: 3, hangup: { talkSeconds: 3 } });
    expect(room.report(whole)?.ringSeconds).toBeCloseTo(0.1);
    expect(room.report(cut)).toMatchObject({ hungUpBy: 'callee', talkSeconds: 0.5 });
    expect(room.notes.get(key)).toMatchObject({ heardSeconds: 1, key: '5' });
    expect(room.report(rings)).toMatchObject({ ringSeconds: 3600 });
    expect(pbx.calls()).toHaveLength(2);
    expect(pbx.total).toBe(4);
  });
});
