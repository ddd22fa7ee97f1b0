import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { toneWav } from '../../src/messages/tone.js';
import { packageRoot } from '../../src/root.js';
import {
  type AttemptRow,
  attemptsOf,
  contactsOf,
  insertCampaignFixture,
  insertFlowFixture,
  insertTenantFixture,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import { startProgram } from '../support/program.js';
import { type SandboxLine, startSandboxLine } from '../support/sandbox-line.js';

const WAIT = { timeout: 20_000, interval: 50 };
const number = (code: string, area = '212') => `+1${area}55501${code}`;
const FORGED = 'Forged\n{"level":60,"msg":"forged"}\r\n\u2028';

interface Line extends Record<string, unknown> {
  level: number;
  time: string;
  msg: string;
}

/** The lines of each process, one after the other. */
const linesOf = (said: string) =>
  said
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);

describe('the log', () => {
  let line: SandboxLine;
  let tenant: TenantFixture;
  let said = '';
  let answered: AttemptRow[];
  let retried: AttemptRow[];
  let lost: AttemptRow;
  let released: string;
  let cancelled: AttemptRow;
  let nobody: string[];

  // Two processes, one after the other: the first is killed while calls ring.
  beforeAll(async () => {
    line = await startSandboxLine({ logLevel: 'debug', testMode: 'only' });
    const { pool } = line.database;
    tenant = await insertTenantFixture(pool, { audio: toneWav(3) });
    await pool.query('UPDATE tenants SET name = $2 WHERE id = $1', [tenant.tenantId, FORGED]);
    const flowId = await insertFlowFixture(pool, tenant, {
      start: 'ask',
      steps: {
        ask: { type: 'menu', prompt: [{ message: tenant.messageId }], keys: { 4: 'who' }, save_as: 'reply' },
        who: { type: 'branch', value: '{pet}', cases: { 'forged cat': 'pin' }, otherwise: 'end' },
        pin: {
          type: 'collect',
          prompt: [{ message: tenant.messageId }],
          min_digits: 1,
          max_digits: 2,
          save_as: 'pin',
        },
        end: { type: 'hangup' },
      },
    });
    const insert = (numbers: string[], more: Parameters<typeof insertCampaignFixture>[3] = {}) =>
      insertCampaignFixture(pool, tenant, numbers, {
        test: true,
        fields: { name: FORGED, pet: 'forged cat' },
        ...more,
      });

    const first = await startProgram(line.config);
    const asked = await insert([number('04')], { flowId });
    const busy = await insert([number('60')], { retry: { busy: '1s' } });
    await untilCompleted(pool, [asked, busy], 25);
    const ringing = await insert([number('31'), number('31', '213')], { ringSeconds: 60 });
    await vi.waitFor(() => expect(begun()).toHaveLength(2), WAIT);
    const [one, two] = (await attemptsOf(pool, ringing)) as [AttemptRow, AttemptRow];
    lost = one;
    released = two.id;
    await first.kill();
    said += first.said();

    backToStaging(`${two.tenant_id}.${two.id}.call`);
    cancelled = await halfPlaced(await insert([number('31', '214')]));
    await pool.query("UPDATE campaigns SET status = 'cancelled' WHERE id = $1", [cancelled.campaign_id]);
    const second = await startProgram(line.config);
    await vi.waitFor(async () => {
      const [contact] = (await contactsOf(pool, ringing)).filter(({ number: n }) => n === two.number);
      expect(contact).toMatchObject({ attempts: 1, state: 'calling' });
      expect((await attemptsOf(pool, ringing)).find(({ id }) => id === lost.id)?.state).toBe('ended');
      expect(await attemptsOf(pool, cancelled.campaign_id)).toMatchObject([{ state: 'ended' }]);
    }, WAIT);
    expect(await second.stop()).toBe(0);
    said += second.said();
    answered = await attemptsOf(pool, asked);
    retried = await attemptsOf(pool, busy);
    const rows = await pool.query<{ number: string }>('SELECT number FROM contacts');
    nobody = rows.rows.map((row) => row.number);
  }, 90_000);
  afterAll(() => line?.stop());

  const outgoing = () => join(line.config.dataDir, 'test', line.config.nodeName, 'spool/outgoing');
  const staging = () => join(line.config.dataDir, 'test', line.config.nodeName, 'spool/campanile/staging');
  const begun = () =>
    readdirSync(outgoing()).filter((name) =>
      readFileSync(join(outgoing(), name), 'utf8').includes('StartRetry'),
    );

  /** As a crash between claim and place leaves it. */
  function backToStaging(name: string): void {
    const text = readFileSync(join(outgoing(), name), 'utf8');
    writeFileSync(join(staging(), name), text.replace(/^StartRetry.*\n/gm, ''));
    rmSync(join(outgoing(), name));
  }

  /** An attempt whose call Asterisk has not begun, and no process knows of. */
  async function halfPlaced(campaign: string): Promise<AttemptRow> {
    const { pool } = line.database;
    await pool.query(
      `INSERT INTO attempts (tenant_id, id, campaign_id, contact_id, trunk_id, pbx_trunk, node, number, ordinal, test)
        SELECT tenant_id, gen_random_uuid(), campaign_id, id, $2, 'far', 'pbx-1/test', number, 1, true
        FROM contacts WHERE campaign_id = $1`,
      [campaign, tenant.trunkId],
    );
    await pool.query("UPDATE contacts SET state = 'calling', attempts = 1 WHERE campaign_id = $1", [
      campaign,
    ]);
    const [attempt] = await attemptsOf(pool, campaign);
    const like = readFileSync(join(outgoing(), readdirSync(outgoing())[0]!), 'utf8').replace(
      /^StartRetry.*\n/gm,
      '',
    );
    const path = join(outgoing(), `${attempt!.tenant_id}.${attempt!.id}.call`);
    writeFileSync(path, like);
    // Asterisk waits until then.
    const later = Date.now() / 1000 + 3600;
    utimesSync(path, later, later);
    return attempt!;
  }

  /** What a grep for an attempt's id finds, as short lines. */
  const lifeOf = (id: string) =>
    said
      .split('\n')
      .filter((text) => text.includes(id))
      .map((text) => JSON.parse(text) as Line);
  const messages = (id: string) =>
    lifeOf(id).map(({ msg, step, action }) => [msg, step ?? action].filter(Boolean).join(' '));

  it('has the whole life of an answered call by the id of its attempt, in order', () => {
    const [attempt] = answered;
    expect(messages(attempt!.id)).toEqual([
      'call claimed',
      'call placed',
      'call answered',
      'flow step over ask',
      'flow step over who',
      'flow step over pin',
      'hangup reported',
      'call ended',
    ]);
    const life = lifeOf(attempt!.id);
    for (const entry of life) {
      expect(entry).toMatchObject({ tenant: tenant.tenantId, attempt: attempt!.id, node: 'pbx-1/test' });
    }
    expect(life.map(({ time }) => time)).toEqual(life.map(({ time }) => time).toSorted());
    const {
      campaign_id: campaign,
      contact_id: contact,
      trunk_id: trunk,
    } = attempt as AttemptRow & { trunk_id: string };
    expect(life[0]).toMatchObject({ campaign, contact, trunk, pbx_trunk: 'far', ordinal: 1, level: 20 });
    expect(life[1]).toMatchObject({ campaign, contact, ordinal: 1, level: 30 });
    expect(life.at(-1)).toMatchObject({
      campaign,
      contact,
      trunk,
      disposition: 'answered',
      contact_state: 'answered',
      retry_in_seconds: null,
      level: 30,
    });
    expect(Date.parse(String(life.at(-1)!.begun_at))).toBeGreaterThan(0);
  });

  it('tells of a call that was busy when it is tried again, and has the next attempt under its own id', () => {
    const [busy, then] = retried;
    expect(messages(busy!.id)).toEqual(['call claimed', 'call placed', 'hangup reported', 'call ended']);
    expect(lifeOf(busy!.id).at(-1)).toMatchObject({
      disposition: 'busy',
      sip_status: 486,
      contact_state: 'retrying',
      retry_in_seconds: 1,
    });
    expect(lifeOf(then!.id)[0]).toMatchObject({ msg: 'call claimed', ordinal: 2 });
    expect(lifeOf(then!.id).at(-1)).toMatchObject({ msg: 'call ended', disposition: 'answered' });
  });

  it('goes on over a crash: what was lost, what was never placed, what was withdrawn', () => {
    expect(messages(lost.id)).toEqual([
      'call claimed',
      'call placed',
      'call taken over from before the start',
      'call reconciled lost',
      'call ended',
    ]);
    expect(lifeOf(lost.id).at(-1)).toMatchObject({ disposition: 'lost', contact_state: 'failed' });
    expect(messages(released)).toEqual([
      'call claimed',
      'call placed',
      'call taken over from before the start',
      'call reconciled release',
      'call released',
    ]);
    expect(messages(cancelled.id)).toEqual([
      'call taken over from before the start',
      'call withdrawn: its campaign was cancelled',
      'call ended',
    ]);
  });

  it('has no number, nothing that was pressed or answered, and no line that a tenant wrote', () => {
    const lines = linesOf(said);
    for (const one of nobody) expect(said).not.toContain(one.slice(2));
    expect(said).not.toMatch(/forged/i);
    expect(lines.every(({ level, time, msg }) => level > 0 && Date.parse(time) > 0 && msg !== '')).toBe(true);
    const steps = lines.filter(({ msg, attempt }) => msg === 'flow step over' && attempt === answered[0]!.id);
    expect(steps.map(({ outcome }) => outcome)).toEqual(['answered', undefined, 'answered']);
    for (const step of steps) expect(Object.keys(step)).not.toContain('digits');
  });

  it('calls things by the names of docs/logs.md', async () => {
    const text = await readFile(join(packageRoot, 'docs/logs.md'), 'utf8');
    const documented = new Set(
      [...text.matchAll(/^\| (`.*?`) \|/gm)].flatMap(([, names]) => names!.match(/\w+/g)!),
    );
    const used = new Set(linesOf(said).flatMap((entry) => Object.keys(entry)));
    expect([...used].filter((name) => !documented.has(name))).toEqual([]);
    const messagesOfCalls = new Set(
      linesOf(said).flatMap(({ msg, attempt }) => (attempt ? [msg.split(':')[0]!] : [])),
    );
    for (const msg of messagesOfCalls) expect(text).toContain(`\`${msg}\``);
  });
});
