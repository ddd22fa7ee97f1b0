import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { until } from '../../../src/lab/condition.js';
import { type Phones, startPhones } from '../../../src/lab/phone/phones.js';
import { header } from '../../../src/lab/phone/sip.js';
import { compile } from '../../support/program.js';
import { Caller } from './caller.js';

const NUMBER = '+12125550100';
const PCMU = 0;
const PCMA = 8;

let phones: Phones;
let caller: Caller;

beforeAll(async () => {
  await compile();
  phones = await startPhones({ sendSilence: false });
});
afterAll(() => phones.stop());
beforeEach(async () => {
  caller = await Caller.start(phones.port);
  await phones.use([]);
});
afterEach(async () => {
  caller.close();
  await phones.forget();
});

const statuses = () => caller.received.map(({ status }) => status).filter((status) => status > 0);

/** A call that is answered and confirmed. */
async function answered(callId: string): Promise<void> {
  caller.send('INVITE', { cseq: 1, codec: PCMU, callId });
  await caller.until(200);
  caller.send('ACK', { cseq: 1, callId });
}

it('answers, repeats 200 OK until it is confirmed, and ends by BYE', async () => {
  caller.send('INVITE', { cseq: 1, codec: PCMU });
  const [first, second] = await caller.until(200, 2);
  expect(statuses().slice(0, 3)).toEqual([100, 180, 200]);
  expect(first).toEqual(second);
  caller.send('ACK', { cseq: 1 });
  await until(async () => (await phones.calls())[0]!.confirmedAt, { timeoutMs: 5000 });
  caller.send('BYE', { cseq: 2 });
  const call = await phones.untilEnded(NUMBER);
  expect(call).toMatchObject({ number: NUMBER, from: '+4930555', finalStatus: 200, endedBy: 'caller' });
  expect(call.invitedAt).toBeLessThanOrEqual(call.answeredAt!);
  expect(call.confirmedAt).toBeGreaterThan(call.answeredAt!);
  const confirmed = () => caller.received.find((m) => header(m, 'cseq') === '2 BYE');
  expect((await until(confirmed, { timeoutMs: 5000 }))?.status).toBe(200);
});

it('sends the last response again when the INVITE is repeated, and takes it for no second call', async () => {
  await phones.use([{ number: NUMBER, answer: false }]);
  caller.send('INVITE', { cseq: 1, codec: PCMU, callId: 'twice' });
  await caller.until(180);
  caller.send('INVITE', { cseq: 1, codec: PCMU, callId: 'twice' });
  await caller.until(180, 2);
  expect(await phones.calls()).toHaveLength(1);
  caller.send('CANCEL', { cseq: 1, branch: 'z9hG4bKINVITE1', callId: 'twice' });
  await caller.until(487);
  caller.send('ACK', { cseq: 1, callId: 'twice' });
  const call = await phones.untilEnded(NUMBER);
  expect(call).toMatchObject({ cancelled: true, finalStatus: 487, answeredAt: null, endedBy: 'caller' });
  const cancelled = caller.received.filter((m) => header(m, 'cseq') === '1 CANCEL');
  expect(cancelled.map(({ status }) => status)).toEqual([200]);
});

it('answers an INVITE within the call with the same audio', async () => {
  await answered('again');
  caller.send('INVITE', { cseq: 2, codec: PCMU, callId: 'again' });
  await until(() => caller.received.some((m) => header(m, 'cseq') === '2 INVITE'), { timeoutMs: 5000 });
  const [first] = caller.received.filter(({ status }) => status === 200);
  const again = caller.received.find((m) => header(m, 'cseq') === '2 INVITE');
  expect(again).toMatchObject({ status: 200, body: first!.body });
  caller.send('ACK', { cseq: 2, callId: 'again' });
  caller.send('BYE', { cseq: 3, callId: 'again' });
  expect(await phones.untilEnded(NUMBER)).toMatchObject({ endedBy: 'caller' });
});

it('refuses what it is told to refuse, and a codec it does not speak', async () => {
  await phones.use([{ number: '+1212*', status: 486 }]);
  caller.send('INVITE', { cseq: 1, codec: PCMU, callId: 'busy' });
  await caller.until(486);
  caller.send('ACK', { cseq: 1, callId: 'busy' });
  await phones.use([]);
  caller.send('INVITE', { cseq: 1, codec: PCMA, callId: 'alaw' });
  await caller.until(488);
  caller.send('ACK', { cseq: 1, callId: 'alaw' });
  const [busy, alaw] = await phones.calls();
  expect([busy!.finalStatus, alaw!.finalStatus]).toEqual([486, 488]);
});

it('answers OPTIONS, and a BYE of no call with 481', async () => {
  caller.send('OPTIONS', { cseq: 1, callId: 'none' });
  await caller.until(200);
  caller.send('BYE', { cseq: 1, callId: 'none' });
  await caller.until(481);
  expect(await phones.calls()).toEqual([]);
});

it('hangs up by itself, and repeats its BYE until it is confirmed', async () => {
  await phones.use([{ number: NUMBER, steps: [{ wait: 50 }, { hangUp: true }] }]);
  await answered('leaves');
  const byes = await caller.until('BYE', 2);
  expect(header(byes[0]!, 'from')).toContain(`<sip:${NUMBER}@127.0.0.1>;tag=`);
  expect(byes[0]).toEqual(byes[1]);
  caller.confirm(byes[1]!);
  expect(await phones.untilEnded(NUMBER)).toMatchObject({ endedBy: 'phone', finalStatus: 200 });
});

it('keeps what it hears as stretches with their times, and answers it with a key', async () => {
  const steps = [
    { untilAudio: true as const },
    { press: '12', holdMs: 40, gapMs: 20 },
    { untilSilence: 200 },
  ];
  await phones.use([
    { number: NUMBER, steps: [...steps, { say: { tone: 1000, ms: 60 } }, { hangUp: true }] },
  ]);
  await answered('talks');
  const payload = Buffer.from(Array.from({ length: 320 }, (_, i) => i & 0xff));
  // Asterisk's timestamps may begin anywhere, and wrap around.
  caller.speak(payload.subarray(0, 160), 0xffffff60);
  caller.speak(payload.subarray(160), 0);
  const [bye] = await caller.until('BYE');
  caller.confirm(bye!);
  const call = await phones.untilEnded(NUMBER);
  expect(call.stretches.map(({ ms }) => ms)).toEqual([40]);
  expect(call.stretches[0]!.payload.equals(payload)).toBe(true);
  expect(call.firstAudioAt).toBe(call.stretches[0]!.at);
  const before = Math.round((call.firstAudioAt! - call.answeredAt!) * 8);
  expect(call.pcm()).toHaveLength(before + 320);
  expect(call.pressed.map(({ key }) => key)).toEqual(['1', '2']);
  expect(call.stepsDoneAt).toHaveLength(5);
  // Two updates and the end twice more, each; then three packets of tone.
  expect(caller.rtp.map((packet) => packet[1]! & 0x7f)).toEqual([...Array(8).fill(101), 0, 0, 0]);
});

it('says so when it cannot listen', async () => {
  await expect(startPhones({ port: phones.port })).rejects.toThrow(/EADDRINUSE/);
});
