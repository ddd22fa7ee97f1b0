import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accountName } from '../../src/calls/sip-account.js';
import { loadSecret } from '../../src/config.js';
import { until } from '../../src/lab/condition.js';
import type { FarEndCall } from '../../src/lab/far-end-log.js';
import type { Running } from '../../src/main.js';
import { createPasswordSeal } from '../../src/seal.js';
import {
  attemptsOf,
  insertCampaignFixture,
  insertTenantFixture,
  numbersFor,
  type TenantFixture,
  untilCompleted,
} from '../support/campaigns.js';
import {
  apiFor,
  describeOnAsterisk,
  type Line,
  type SendToApi,
  startLine,
  toneMessage,
} from '../support/line.js';

const ACCOUNTS = [
  { user: 'hospital', password: 'first!#$%&()*+-./:?@^_{|}~' },
  { user: 'school', password: 'number-2' },
  { user: 'added', password: 'number-3' },
];
const TALK_SECONDS = 25;

/** What a stranger must not get at: the contexts that calls without one of their own would begin in. */
const ADMINS_DIALPLAN = ['default', 'public', 'from-internal']
  .map((context) => `[${context}]\nexten => _[+0-9a-z].,1,Answer()\n same => n,Wait(5)\n`)
  .join('');

describeOnAsterisk('trunks with SIP accounts at a carrier that demands credentials', () => {
  let line: Line;
  let campanile: Running;
  let file: string;
  let calls: FarEndCall[];

  interface Customer {
    tenant: TenantFixture;
    send: SendToApi;
  }

  beforeAll(async () => {
    line = await startLine({ farEnd: { accounts: ACCOUNTS, trace: true }, extraExtensions: ADMINS_DIALPLAN });
    campanile = await line.start();
    file = line.config.pjsipFile;
  });
  afterAll(() => line.stop());

  async function customer(seconds = 0.5): Promise<Customer> {
    const tenant = await insertTenantFixture(line.database.pool, { ports: 60, ...toneMessage(seconds) });
    return { tenant, send: await apiFor(line, campanile, { tenantId: tenant.tenantId }) };
  }

  /** A trunk of the customer's own making; the tenant with it in place of his first one. */
  async function withTrunk(who: Customer, account: object, more: object = {}): Promise<TenantFixture> {
    const [, port] = line.farEnd.address.split(':');
    const sip = { host: '127.0.0.1', port: Number(port), ...account, ...more };
    const made = await who.send('POST', '/v1/trunks', { name: 'mine', ports: 60, sip });
    expect(made.status, JSON.stringify(made.json)).toBe(201);
    expect(JSON.stringify(made.json)).not.toContain((account as { password: string }).password);
    return { ...who.tenant, trunkId: made.json.id, pbxTrunk: made.json.pbx_trunk };
  }

  const show = async ({ send }: Customer, { trunkId }: TenantFixture) =>
    (await send('GET', `/v1/trunks/${trunkId}`)).json;
  const registrationOf = async (who: Customer, tenant: TenantFixture) =>
    (await show(who, tenant)).registration[0];

  async function untilRegistration(who: Customer, tenant: TenantFixture, state: string): Promise<void> {
    const found = await until(async () => (await registrationOf(who, tenant))?.state === state, {
      timeoutMs: 40_000,
      everyMs: 200,
    });
    if (!found) throw new Error(`not ${state}: ${JSON.stringify(await show(who, tenant))}`);
  }

  const run = async (tenant: TenantFixture, numbers: string[], callerId?: string) => {
    const id = await insertCampaignFixture(line.database.pool, tenant, numbers, callerId ? { callerId } : {});
    await line.database.pool.query(`SELECT pg_notify('campanile_due', '')`);
    return id;
  };

  /** Every line of the file is one that a renderer without tenants' text could have written. */
  async function expectOnlyOurLines(): Promise<void> {
    for (const text of (await readFile(file, 'utf8')).split('\n')) {
      expect(text).toMatch(
        /^(?:|;.*|\[campanile-[0-9a-f-]{36}\]|\[campanile-accounts-[0-9a-f]{16}\]|[a-z_]+=[^;[\]\\,=]*|allow=[a-z0-9,]+|[a-z_]+=sip:[^;[\]\\,=]*(?:\\;transport=t(?:cp|ls))?)$/,
      );
    }
  }

  it('call with the credentials of each tenant', async () => {
    const [hospital, school] = [await customer(), await customer()];
    const first = await withTrunk(hospital, ACCOUNTS[0]!, { caller_ids: ['+12125550101'], register: false });
    const second = await withTrunk(school, ACCOUNTS[1]!, { caller_ids: ['+12125550102'] });
    const campaigns = [await run(first, numbersFor('200', 5)), await run(second, numbersFor('200', 5, 100))];
    await untilCompleted(line.database.pool, campaigns, 60);
    calls = await line.farEnd.calls();
    const seen = calls.map(({ account, from, finalStatus }) => `${account} ${from} ${finalStatus}`).sort();
    expect(seen).toEqual([
      ...Array(5).fill('hospital +12125550101 200'),
      ...Array(5).fill('school +12125550102 200'),
    ]);
    for (const id of campaigns) {
      const ended = (await attemptsOf(line.database.pool, id)).map((a) => a.disposition);
      expect(ended).toEqual(Array(5).fill('answered'));
    }
    await untilRegistration(school, second, 'registered');
    expect(await registrationOf(hospital, first)).toMatchObject({ loaded: true, state: null, problem: null });
    const { mode, uid } = await stat(file);
    expect([mode & 0o777, uid]).toEqual([0o640, line.asterisk.uid]);
    await expectOnlyOurLines();
  });

  it('say what is wrong when the carrier does not take the password, and try a new one at once', async () => {
    const who = await customer();
    const tenant = await withTrunk(who, { user: 'added', password: 'wrong' });
    const id = await run(tenant, numbersFor('200', 2, 200));
    await untilCompleted(line.database.pool, [id], 60);
    for (const attempt of await attemptsOf(line.database.pool, id)) {
      expect(attempt).toMatchObject({ disposition: 'unreachable', sip_status: 401 });
    }
    const shown = await who.send('GET', `/v1/campaigns/${id}/attempts`);
    expect(shown.json.data[0].cause).toBe("the carrier does not take the trunk's user or password (SIP 401)");
    await untilRegistration(who, tenant, 'rejected');

    const tried = (await line.farEnd.registers()).length;
    const changed = await who.send('PATCH', `/v1/trunks/${tenant.trunkId}`, {
      sip: { password: 'number-3' },
    });
    expect(changed.status).toBe(200);
    await untilRegistration(who, tenant, 'registered');
    const again = await run(tenant, numbersFor('200', 1, 210));
    await untilCompleted(line.database.pool, [again], 60);
    expect((await attemptsOf(line.database.pool, again))[0]?.disposition).toBe('answered');
    // Nobody else registers again because of it. (Asterisk tries the old password first, and unregisters before it registers.)
    const since = (await line.farEnd.registers()).slice(tried);
    expect(since.map(({ account }) => account)).toEqual(Array(since.length).fill('added'));
    expect(since.at(-1)?.accepted).toBe(true);
  });

  it('can be dialled at once when added, and 50 calls that are up go on', async () => {
    const busy = await customer(TALK_SECONDS);
    const tenant = await withTrunk(busy, ACCOUNTS[0]!);
    const numbers = numbersFor('200', 50, 300);
    const long = await run(tenant, numbers);
    const ofLong = async () => (await line.farEnd.calls()).filter((call) => numbers.includes(call.number));
    const up = async () =>
      (await ofLong()).filter((call) => call.answeredAt !== null && !call.endedAt).length;
    expect(await until(async () => (await up()) === 50, { timeoutMs: 30_000 })).toBe(true);

    const added = await customer();
    const postedAt = Date.now();
    const other = await withTrunk(added, ACCOUNTS[2]!);
    const short = await run(other, numbersFor('200', 1, 400));
    await untilCompleted(line.database.pool, [short], 20);
    expect((await attemptsOf(line.database.pool, short))[0]?.disposition).toBe('answered');
    const call = (await line.farEnd.calls()).findLast(({ account }) => account === 'added')!;
    expect(call.invitedAt - postedAt).toBeLessThan(2000);
    expect(await up()).toBe(50);

    await untilCompleted(line.database.pool, [long], 60);
    const talked = (await ofLong()).map((c) => (c.endedAt! - c.answeredAt!) / 1000);
    expect(Math.min(...talked)).toBeGreaterThan(TALK_SECONDS - 0.5);
  });

  it('leave no line in the configuration that Campanile did not write', async () => {
    const who = await customer();
    const hostile = [
      'a;b',
      'a[b',
      'a]b',
      'a\nb=c',
      'a=b',
      'a\\b',
      'a,b',
      '#include x',
      'x\r[y]',
      'a\u2028b',
      'a b',
    ];
    for (const field of ['host', 'user', 'password', 'from_user', 'from_domain']) {
      for (const value of hostile) {
        const sip = { host: '127.0.0.1', user: 'u', password: 'p', [field]: value };
        const reply = await who.send('POST', '/v1/trunks', { name: 'evil', ports: 1, sip });
        expect(reply.status).toBe(422);
        expect(reply.json.errors.map((e: { field: string }) => e.field)).toEqual([`/sip/${field}`]);
      }
    }
    // Past the API: the renderer does not take it either.
    const tenant = await withTrunk(who, ACCOUNTS[1]!);
    const { pool } = line.database;
    const sealed = createPasswordSeal(await loadSecret(line.config)).seal(
      tenant.tenantId,
      tenant.trunkId,
      'x\n[evil]\ntype=endpoint\ncontext=from-internal',
    );
    await pool.query('UPDATE sip_accounts SET sealed_password = $2, revision = revision + 1 WHERE id = $1', [
      tenant.trunkId,
      sealed,
    ]);
    const refused = () => registrationOf(who, tenant).then((r) => r?.loaded === false && r.problem);
    expect(await until(refused, { timeoutMs: 20_000 })).toMatch(/password cannot stand in pjsip\.conf/);
    expect(await readFile(file, 'utf8')).not.toContain(tenant.trunkId);
    await expectOnlyOurLines();
    expect(await line.asterisk.cli('pjsip list endpoints')).not.toContain('evil');
  });

  it('wait, and say why, where the PBX has no transport of their protocol', async () => {
    const who = await customer();
    const tenant = await withTrunk(who, ACCOUNTS[1]!, { transport: 'tls', srtp: true });
    const problem = () => registrationOf(who, tenant).then((r) => r?.problem);
    expect(await until(problem, { timeoutMs: 20_000 })).toBe('the PBX has no transport of protocol tls');
    const shown = await line.asterisk.cli(`pjsip show aor ${accountName(tenant.trunkId)}`);
    expect(shown).toMatch(/contact +: sip:127\.0\.0\.1:\d+;transport=tls/);
    await expectOnlyOurLines();
  });

  it('take no calls in, not even from the carrier that they are registered at', async () => {
    const who = await customer();
    const tenant = await withTrunk(who, ACCOUNTS[1]!);
    await untilRegistration(who, tenant, 'registered');
    // The last of them, with the token by which Asterisk knows the registration.
    const trace = await readFile(join(line.asterisk.dir, '../far-end/messages.log'), 'utf8');
    const contact = [...trace.matchAll(/^Contact: <(sip:school@[^>]*line=[^>]*)>/gm)].at(-1)![1]!;
    expect(await inviteFrom(contact)).toBe(404);
    const [, port] = /@[^:]+:(\d+)/.exec(contact)!;
    const elsewhere = `sip:1000@127.0.0.1:${port}`;
    expect(await inviteFrom(elsewhere, accountName(tenant.trunkId))).toBe(401);
  });

  it('are gone from Asterisk when they are removed', async () => {
    const who = await customer();
    const tenant = await withTrunk(who, ACCOUNTS[1]!);
    const endpoint = () => line.asterisk.cli(`pjsip show endpoint ${accountName(tenant.trunkId)}`);
    expect(await until(async () => (await registrationOf(who, tenant))?.loaded, { timeoutMs: 20_000 })).toBe(
      true,
    );
    expect(await endpoint()).not.toContain('Unable to find');
    await line.database.pool.query('DELETE FROM tenants WHERE id = $1', [tenant.tenantId]);
    const gone = await until(async () => (await endpoint()).includes('Unable to find'), {
      timeoutMs: 20_000,
    });
    expect(gone).toBe(true);
    expect(await readFile(file, 'utf8')).not.toContain(tenant.trunkId);
  });
});

/** The final SIP status of a call to `uri` from a port of 127.0.0.1 that nobody knows. */
async function inviteFrom(uri: string, user = '+12125550000'): Promise<number> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const own = `127.0.0.1:${socket.address().port}`;
    const sdp = `v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n`;
    const lines = [
      `INVITE ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${own};branch=z9hG4bK${Math.random().toString(36).slice(2)};rport`,
      `From: <sip:${user}@127.0.0.1>;tag=stranger`,
      `To: <${uri}>`,
      `Call-ID: ${Math.random().toString(36).slice(2)}`,
      'CSeq: 1 INVITE',
      `Contact: <sip:${user}@${own}>`,
      'Max-Forwards: 70',
      'Content-Type: application/sdp',
      `Content-Length: ${sdp.length}`,
    ];
    socket.send(`${lines.join('\r\n')}\r\n\r\n${sdp}`, Number(/@[^:]+:(\d+)/.exec(uri)![1]), '127.0.0.1');
    for (;;) {
      const [packet] = await once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
      const status = Number(/^SIP\/2\.0 (\d+)/.exec(String(packet))?.[1]);
      if (status >= 200) return status;
    }
  } finally {
    socket.close();
  }
}
