import { mkdtemp, readFile, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { SipAccount } from '../../src/calls/sip-account.js';
import { registerNode } from '../../src/db/nodes.js';
import { insertSipAccount, updateSipAccount } from '../../src/db/sip-accounts.js';
import { findTrunkById } from '../../src/db/trunks.js';
import { createSipAccounts, type SipAccounts } from '../../src/node/sip-accounts.js';
import { createPasswordSeal } from '../../src/seal.js';
import { insertTenantFixture, type TenantFixture } from '../support/campaigns.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { keptLog } from '../support/line.js';

const passwords = createPasswordSeal(Buffer.alloc(32, 1));
const account: SipAccount = {
  host: 'sip.example.com',
  port: null,
  transport: 'udp',
  srtp: false,
  user: 'acme',
  register: true,
  caller_ids: [],
  codecs: ['ulaw'],
  from_user: null,
  from_domain: null,
};

const UDP = 'Transport:  loopback                  udp      0      0  127.0.0.1:25060';

let database: TestDatabase;
let directory: string;
let file: string;
let tenant: TenantFixture;
let accounts: SipAccounts;
let asked: string[];
let woken: number;
let errors: Record<string, unknown>[];

/** What a pretend Asterisk has of the file: its text at the last reload. */
let loaded: string;
let includes: boolean;
let silent: boolean;
let transports: string;

async function ask(command: string): Promise<string> {
  asked.push(command.replaceAll(tenant.trunkId, 'ID').replace(/[0-9a-f]{16}$/, 'HASH'));
  if (silent) throw new Error('cannot ask Asterisk at /run: connect ENOENT');
  if (command.startsWith('module reload')) {
    if (includes) loaded = await readFile(file, 'utf8');
    return "Module 'res_pjsip.so' reloaded successfully.\n";
  }
  const marker = /^pjsip show aor (.*)/.exec(command)?.[1];
  if (marker)
    return loaded.includes(`[${marker}]`) ? `\n Aor: ${marker}\n` : `Unable to find object ${marker}.\n`;
  if (command === 'pjsip list transports') return `\n${transports}\nObjects found: 1\n`;
  return ` campanile-${tenant.trunkId}/sip:sip.  campanile-${tenant.trunkId}  Registered  (exp. 1s)\n`;
}

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  await rm(directory, { recursive: true, force: true });
});
beforeEach(async () => {
  await accounts?.stop();
  await database.pool.query('TRUNCATE tenants, nodes CASCADE');
  await registerNode(database.pool, { name: 'a', ports: 1, callsPerSecond: null });
  tenant = await insertTenantFixture(database.pool);
  if (directory) await rm(directory, { recursive: true, force: true });
  directory = await mkdtemp(join(tmpdir(), 'campanile-accounts-'));
  file = join(directory, 'pjsip.conf');
  const { log, lines } = keptLog('error');
  errors = lines;
  asked = [];
  woken = 0;
  loaded = '';
  includes = true;
  silent = false;
  transports = UDP;
  accounts = createSipAccounts({
    pool: database.pool,
    node: 'a',
    file,
    owner: null,
    passwords,
    ask,
    log,
    onLoaded: () => {
      woken += 1;
    },
  });
});

const add = (seal = passwords) =>
  insertSipAccount(
    database.pool,
    tenant.tenantId,
    tenant.trunkId,
    account,
    seal.seal(tenant.tenantId, tenant.trunkId, 'sesame'),
  );
const state = async () =>
  (await findTrunkById(database.pool, tenant.tenantId, tenant.trunkId))!.registration[0];

const MARKER = 'pjsip show aor campanile-accounts-HASH';

it('writes the file, has Asterisk take it in once, and says what became of it', async () => {
  await add();
  await accounts.sync();
  const reload = 'module reload res_pjsip.so';
  expect(asked).toEqual([MARKER, reload, MARKER, 'pjsip list transports', 'pjsip show registrations']);
  expect(await readFile(file, 'utf8')).toContain('password=sesame\n');
  expect(await state()).toMatchObject({ node: 'a', loaded: true, state: 'registered', problem: null });
  expect(woken).toBe(1);
  asked = [];
  await utimes(file, 1, 1);
  await accounts.sync();
  expect(asked).toEqual([MARKER, 'pjsip list transports', 'pjsip show registrations']);
  expect((await stat(file)).mtimeMs).toBe(1000);
  expect(woken).toBe(1);
});

it('leaves an Asterisk alone that has no account to take in', async () => {
  await accounts.sync();
  expect(asked).toEqual([]);
  expect(await readFile(file, 'utf8')).toContain('[campanile-accounts-');
});

it('says that the PBX has no transport of its protocol, until it has one', async () => {
  transports = UDP.replace('udp', 'tcp');
  await add();
  await accounts.sync();
  expect(await state()).toMatchObject({ loaded: false, problem: 'the PBX has no transport of protocol udp' });
  transports = UDP;
  await accounts.sync();
  expect(await state()).toMatchObject({ loaded: true, problem: null });
});

it('registers at once with a changed account', async () => {
  await add();
  await accounts.sync();
  const sealed = passwords.seal(tenant.tenantId, tenant.trunkId, 'other');
  await updateSipAccount(database.pool, tenant.tenantId, tenant.trunkId, account, sealed);
  expect(await state()).toMatchObject({ loaded: false });
  asked = [];
  await accounts.sync();
  expect(asked).toContain('pjsip send register campanile-ID');
  expect(await state()).toMatchObject({ loaded: true });
});

it('has Asterisk let go of the last account, and asks again until it does', async () => {
  await add();
  await accounts.sync();
  await database.pool.query('DELETE FROM sip_accounts');
  silent = true;
  await accounts.sync();
  expect(loaded).toContain('sesame');
  silent = false;
  await accounts.sync();
  expect(loaded).not.toContain('sesame');
  asked = [];
  await accounts.sync();
  expect(asked).toEqual([]);
});

it('says that the include is missing: to the log with the line, to the tenant without', async () => {
  includes = false;
  await add();
  await accounts.sync();
  await accounts.sync();
  expect(errors).toHaveLength(1);
  expect((errors[0]!.err as Error).message).toContain(`its pjsip.conf needs the line #tryinclude "${file}"`);
  const { problem, ...rest } = (await state())!;
  expect(rest).toMatchObject({ loaded: false, state: 'unknown' });
  expect(problem).toBe('the PBX cannot take it in at the moment; the log of the node says why');
  includes = true;
  await accounts.sync();
  expect(await state()).toMatchObject({ loaded: true, problem: null });
});

it('does not throw when Asterisk is silent or the file cannot be written, and makes up for it', async () => {
  silent = true;
  await add();
  expect(await accounts.sync()).toBe(0);
  expect(await state()).toMatchObject({ loaded: false });
  silent = false;
  await rm(directory, { recursive: true });
  expect(await accounts.sync()).toBe(0);
  expect(await state()).toMatchObject({ loaded: false });
  expect(JSON.stringify(errors)).not.toContain('sesame');
});

it('leaves out an account whose password it cannot read, says so once, and writes the others', async () => {
  await add(createPasswordSeal(Buffer.alloc(32, 2)));
  const other = await insertTenantFixture(database.pool);
  const sealed = passwords.seal(other.tenantId, other.trunkId, 'readable');
  await insertSipAccount(database.pool, other.tenantId, other.trunkId, account, sealed);
  await accounts.sync();
  await accounts.sync();
  const text = await readFile(file, 'utf8');
  expect(text).toContain('password=readable\n');
  expect(text).not.toContain(tenant.trunkId);
  const { problem, loaded: isLoaded } = (await state())!;
  expect(isLoaded).toBe(false);
  expect(problem).toContain('it was stored under another CAMPANILE_SECRET');
  expect(errors.map((e) => e.problem)).toEqual([problem]);
});
