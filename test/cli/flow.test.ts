import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/root.js';
import { compile } from '../support/program.js';

const PROGRAM = ['dist/src/cli/campanile.js', 'flow', 'play'];
const appointment = {
  start: 'hello',
  opt_out_key: '*',
  steps: {
    hello: { type: 'say', prompt: [{ text: 'Dear {first_name}.' }], next: 'ask' },
    ask: {
      type: 'menu',
      prompt: [{ text: 'Press 1 to confirm.' }, { say: 'date', value: '{day|2026-12-24}' }],
      keys: { 1: 'pin', 2: 'staff' },
      wrong_key: [{ text: 'Once more.' }],
      save_as: 'reply',
    },
    pin: {
      type: 'collect',
      prompt: [{ text: 'Your PIN?' }],
      min_digits: 2,
      max_digits: 2,
      secret: true,
      save_as: 'pin',
      next: 'who',
    },
    who: { type: 'branch', value: '{call.machine}', cases: { person: 'crm' } },
    crm: { type: 'webhook', url: 'https://crm.example.com/', save: ['slot'], next: 'slot' },
    slot: { type: 'say', prompt: [{ say: 'number', value: '{slot}' }] },
    staff: {
      type: 'transfer',
      destination: '01a201b8-ec16-7000-8a9b-6556b254ef2d',
      next: 'note',
      on_failed: 'note',
    },
    note: { type: 'record', save_as: 'note' },
  },
};

describe('campanile flow play', () => {
  let dir: string;
  const children: ChildProcess[] = [];
  beforeAll(async () => {
    await compile();
    dir = await mkdtemp(join(tmpdir(), 'campanile-flow-'));
  }, 60_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await rm(dir, { recursive: true });
  });

  /** Plays a flow with lines for keys; `recorded` is what was printed last, as JSON. */
  async function play(flow: object, keys: string, ...args: string[]) {
    const file = join(dir, 'flow.json');
    await writeFile(file, JSON.stringify(flow));
    const child = spawn(process.execPath, [...PROGRAM, file, ...args], { cwd: packageRoot });
    children.push(child);
    child.stdin.end(keys);
    const [printed, said, [code]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    const [told, recorded] = printed.split('\nrecorded\n');
    return { code, told, said, file, recorded: recorded === undefined ? null : JSON.parse(recorded) };
  }
  const ada = ['--field', 'first_name=Ada'];

  it('tells what is said, takes keys, and prints what would be recorded', async () => {
    const args = [...ada, '--machine', 'person', '--answer', 'slot=12'];
    const { code, told, recorded } = await play(
      { name: 'A', definition: appointment },
      '7\n1\n4\n2\n',
      ...args,
    );
    expect(code).toBe(0);
    for (const line of ['speaks "Dear Ada."', 'says the date 2026-12-24', 'speaks "Once more."'])
      expect(told).toContain(line);
    expect(told).toContain('says the number 12');
    expect(recorded).toMatchObject({ answers: { reply: '1', pin: '**', slot: '12' }, suppressed: false });
    expect(recorded.steps.map(({ step }: { step: string }) => step)).toEqual([
      'hello',
      'ask',
      'pin',
      'who',
      'crm',
      'slot',
    ]);
    expect(recorded.steps[1].pressed.map(({ key }: { key: string }) => key)).toEqual(['7', '1']);
  });

  it('waits in vain where a line is empty, and for a webhook without --answer', async () => {
    const silent = await play(appointment, '\n\n', ...ada);
    expect(silent.recorded.steps.at(-1)).toMatchObject({ step: 'ask', outcome: 'timeout' });
    const failed = await play(appointment, '1\n4\n2\n', ...ada, '--machine', 'person');
    expect(failed.recorded.steps.at(-1)).toMatchObject({ step: 'crm', outcome: 'failed' });
  });

  it('opts out, hangs up, transfers and records as it is typed', async () => {
    const out = await play(appointment, '*\n', ...ada);
    expect(out.recorded).toMatchObject({ suppressed: true, steps: [{}, { outcome: 'opted_out' }] });
    const gone = await play(appointment, 'h\n', ...ada);
    expect(gone.recorded.steps.at(-1)).toMatchObject({ step: 'ask', outcome: 'hung_up' });
    const note = await play(appointment, '2\nb\n#\n', ...ada);
    expect(note.recorded.steps.slice(2)).toMatchObject([{ outcome: 'busy' }, { recording: 'recording' }]);
    const silence = await play(appointment, '2\nc\ns\n', ...ada);
    expect(silence.recorded.steps.slice(2)).toMatchObject([{ outcome: 'connected' }, { outcome: 'silence' }]);
  });

  it('plays nothing that is not right', async () => {
    const wrong = { ...appointment, steps: { ...appointment.steps, lost: { type: 'hangup' } } };
    const unreachable = await play(wrong, '', ...ada);
    expect([unreachable.code, unreachable.told]).toEqual([1, '']);
    expect(unreachable.said).toContain(`${unreachable.file}: /steps/lost `);
    const shapeless = await play({ start: 'Hello' }, '');
    expect(shapeless.said).toContain('/start must be a small letter');
    const fieldless = await play(appointment, '');
    expect(fieldless.said).toContain('--field first_name=...');
    expect((await play(appointment, '', ...ada, '--machine', 'robot')).said).toContain('not "robot"');
  });
});
