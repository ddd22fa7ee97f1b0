import { accountName } from '../calls/sip-account.js';
import type { Pool } from '../db/pool.js';
import {
  type AccountState,
  listSipAccounts,
  type SealedAccount,
  saveAccountStates,
} from '../db/sip-accounts.js';
import { CampanileError, messageOf } from '../errors.js';
import type { Logger } from '../log.js';
import type { SecretSeal } from '../seal.js';
import { parseRegistrations, parseTransports } from '../trunks/console-tables.js';
import { hasAccounts, markerOf, renderAccount, renderFile } from '../trunks/pjsip.js';
import { readPjsipFile, writePjsipFile } from '../trunks/pjsip-file.js';

export interface SipAccountsOptions {
  pool: Pool;
  node: string;
  /** Where the accounts are written for Asterisk. */
  file: string;
  owner: { uid: number; gid: number } | null;
  passwords: SecretSeal;
  /** Puts a command to Asterisk's console and answers what it prints. */
  ask(command: string): Promise<string>;
  log: Logger;
  /** Asterisk has an account that it did not have: its calls can be placed. */
  onLoaded(): void;
}

export interface SipAccounts {
  /** Brings file, Asterisk and what the database knows of them up to date. Never rejects; resolves with 0. */
  sync(): Promise<number>;
  /** Resolves when nothing is under way. */
  stop(): Promise<void>;
}

interface Written {
  account: SealedAccount;
  /** Null when the account is not in the file; then `problem` tells why. */
  text: string | null;
  problem: string | null;
}

/** The SIP accounts of all tenants on this node's PBX. Hints come when they change; a duty finds what no hint told of. */
export function createSipAccounts(options: SipAccountsOptions): SipAccounts {
  const { pool, node, log } = options;
  let running: Promise<number> | null = null;
  let again = false;
  let stopped = false;
  // Asked for by a change to an empty file too, which no account asks for.
  let unloaded = false;
  let lastFailure: string | null = null;

  async function syncOnce(): Promise<void> {
    const written = (await listSipAccounts(pool, node)).map((account) => write(account, options.passwords));
    const content = renderFile(written.flatMap(({ text }) => text ?? []));
    let failure: string | null = null;
    try {
      if (await replaceFile(content)) unloaded = true;
      const some = written.some(({ text }) => text !== null);
      if (some || unloaded) await load(content);
      unloaded = false;
      if (some) await checkTransports(written);
    } catch (error) {
      failure = messageOf(error);
      // Once, and again only when it changes: this runs every few seconds.
      if (failure !== lastFailure)
        log.error({ err: error }, 'cannot give the SIP accounts to Asterisk, trying again and again');
    }
    lastFailure = failure;
    const states = written.map((w) => stateOf(w, failure !== null));
    if (failure === null) await askRegistrations(written, states);
    tellProblems(written);
    if (states.length > 0) await saveAccountStates(pool, node, states);
    const changed = states.some((s, i) => s.revision !== null && s.revision !== written[i]!.account.loaded);
    if (changed) options.onLoaded();
  }

  /** Resolves with whether there is anything that Asterisk must let go of or take in. */
  async function replaceFile(content: string): Promise<boolean> {
    const before = await readPjsipFile(options.file);
    if (before === content) return false;
    await writePjsipFile(options.file, content, options.owner);
    return hasAccounts(content) || hasAccounts(before ?? '');
  }

  /** Has Asterisk read its configuration again, unless it has this very file. */
  async function load(content: string): Promise<void> {
    const marker = `pjsip show aor ${markerOf(content)}`;
    const isLoaded = async () => !(await options.ask(marker)).includes('Unable to find');
    if (await isLoaded()) return;
    // Transports stay, calls and registrations go on; only what changed is taken up.
    const answer = await options.ask('module reload res_pjsip.so');
    if (await isLoaded()) return;
    throw new CampanileError(
      'pjsip_not_loaded',
      `Asterisk does not take in ${options.file} (it said: ${withoutPasswords(answer.trim(), content)}): its pjsip.conf needs the line #tryinclude "${options.file}"`,
    );
  }

  /** Without a transport of its protocol Asterisk takes the account in all the same, and fails every call. */
  async function checkTransports(written: readonly Written[]): Promise<void> {
    const there = parseTransports(await options.ask('pjsip list transports'));
    for (const one of written) {
      const { transport } = one.account;
      if (one.text !== null && !there.has(transport))
        one.problem = `the PBX has no transport of protocol ${transport}`;
    }
  }

  async function askRegistrations(written: readonly Written[], states: AccountState[]): Promise<void> {
    if (!states.some((s) => s.registration !== null)) return;
    try {
      for (const { account, text } of written) {
        // Else a new password would be tried when the wait after the refusal of the old one is over. A new account Asterisk
        // registers by itself, within ten seconds.
        if (text !== null && account.register && account.revision > 1 && account.loaded !== account.revision)
          await options.ask(`pjsip send register ${accountName(account.id)}`);
      }
      const found = parseRegistrations(await options.ask('pjsip show registrations'));
      for (const state of states) {
        if (state.registration !== null) state.registration = found.get(accountName(state.id)) ?? 'unknown';
      }
    } catch (error) {
      log.warn({ err: error }, 'cannot ask Asterisk for registrations');
    }
  }

  function tellProblems(written: readonly Written[]): void {
    for (const { account, problem } of written) {
      const { id, tenant_id } = account;
      if (problem !== null && problem !== account.problem)
        log.error({ trunk: id, tenant: tenant_id, problem }, 'a SIP account cannot be used');
    }
  }

  async function run(): Promise<number> {
    do {
      again = false;
      await syncOnce().catch((error) =>
        log.error({ err: error }, 'cannot bring the SIP accounts up to date'),
      );
    } while (again && !stopped);
    return 0;
  }

  return {
    sync() {
      if (stopped) return Promise.resolve(0);
      if (running) again = true;
      running ??= run().finally(() => {
        running = null;
      });
      return running;
    },
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** One that cannot be written must not keep the others from being. */
function write(account: SealedAccount, passwords: SecretSeal): Written {
  try {
    const password = passwords.open(account.tenant_id, account.id, account.sealed_password);
    return { account, text: renderAccount({ ...account, trunkId: account.id, password }), problem: null };
  } catch (error) {
    return { account, text: null, problem: messageOf(error) };
  }
}

/** Asterisk may quote its configuration. */
function withoutPasswords(said: string, content: string): string {
  const passwords = [...content.matchAll(/^password *= *(.+)$/gm)].map(([, password]) => password!);
  return passwords.reduce((text, password) => text.replaceAll(password, '...'), said);
}

function stateOf({ account, text, problem }: Written, failed: boolean): AccountState {
  const { tenant_id, id, revision, register } = account;
  const loaded = text !== null && problem === null && !failed;
  return {
    tenant_id,
    id,
    revision: loaded ? revision : null,
    registration: register ? 'unknown' : null,
    // Not the reason: it tells of this machine, and tenants read it.
    problem:
      problem ?? (failed ? 'the PBX cannot take it in at the moment; the log of the node says why' : null),
  };
}
