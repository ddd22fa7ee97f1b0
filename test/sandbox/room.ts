import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CallNotes } from '../../src/agi/notes.js';
import { createAdmission } from '../../src/agi/scripts/admission.js';
import { answeredScript } from '../../src/agi/scripts/answered.js';
import { hangupScript } from '../../src/agi/scripts/hangup.js';
import { type AgiScript, type AgiServer, createAgiServer } from '../../src/agi/server.js';
import { createCallTokens } from '../../src/agi/token.js';
import { flowOfMessage } from '../../src/calls/flow/of-message.js';
import { parseReport } from '../../src/calls/report.js';
import type { CallNote } from '../../src/db/open-attempts.js';
import { newId } from '../../src/ids.js';
import { until } from '../../src/lab/condition.js';
import { createLog } from '../../src/log.js';
import { type SandboxOptions, type SandboxPbx, startSandboxPbx } from '../../src/sandbox/pbx.js';
import { type Directive, parseCallFile, renderCallFile } from '../../src/spool/call-file.js';
import { nothingBehind } from '../agi/nothing-behind.js';

export const log = createLog('silent');
const tokens = createCallTokens(Buffer.alloc(32, 7));

/** A directory with a spool, a sound of three seconds, a FastAGI server of ours and a sandbox PBX. */
export class Room {
  readonly dir = mkdtempSync(join(tmpdir(), 'campanile-sandbox-'));
  readonly spoolDir = join(this.dir, 'spool');
  readonly runDir = join(this.dir, 'run');
  readonly reports = join(this.dir, 'reports');
  readonly sound = join(this.dir, 'message');
  /** What the scripts would have written into the database, merged by call. */
  readonly notes = new Map<string, Partial<CallNote>>();
  readonly #pbxes: SandboxPbx[] = [];
  readonly #servers: AgiServer[] = [];
  #calls = 0;
  agi = 'agi://127.0.0.1:1';

  constructor() {
    mkdirSync(this.outgoing, { recursive: true });
    writeSound(`${this.sound}.wav`, 3);
  }

  get outgoing(): string {
    return join(this.spoolDir, 'outgoing');
  }

  get done(): string {
    return join(this.spoolDir, 'outgoing_done');
  }

  /** Starts a FastAGI server with the project's scripts, or with others in their place. */
  async serve(scripts: Record<string, AgiScript> = {}): Promise<AgiServer> {
    const notes: CallNotes = {
      write: async (note) => {
        const told = Object.entries(note).filter(([, value]) => value !== null);
        this.notes.set(note.callId, { ...this.notes.get(note.callId), ...Object.fromEntries(told) });
        return true;
      },
    };
    const admission = createAdmission(tokens, log);
    const server = createAgiServer({
      port: 0,
      log,
      scripts: {
        answered: answeredScript({
          admission,
          notes,
          log,
          callOf: async () => ({
            log,
            flow: flowOfMessage(newId(), null),
            machine: null,
            fields: {},
            timeZone: 'UTC',
            about: {},
            soundOf: () => ({ path: this.sound, seconds: 3 }),
            deeds: { optOut: async () => {}, ask: async () => null },
            ...nothingBehind,
          }),
        }),
        hangup: hangupScript({ admission, notes, log }),
        ...scripts,
      },
    });
    this.#servers.push(server);
    this.agi = `agi://127.0.0.1:${(await server.start()).port}`;
    return server;
  }

  async start(options: Partial<SandboxOptions> = {}): Promise<SandboxPbx> {
    const { spoolDir, runDir } = this;
    const pbx = await startSandboxPbx({ spoolDir, runDir, log, speed: 10, ...options });
    this.#pbxes.push(pbx);
    return pbx;
  }

  /** Renames a call file into outgoing/ as Campanile does; returns the call's id. `route` is for Local/. */
  place(
    channel: string,
    changes: Partial<Record<Directive['key'], string | null>> = {},
    route = 'trunk',
  ): string {
    this.#calls += 1;
    const call = `call-${this.#calls}`;
    const routed = channel.startsWith('Local/');
    const values: [Directive['key'], string | null][] = Object.entries({
      Channel: channel,
      CallerID: '<+15550001111>',
      WaitTime: '3',
      MaxRetries: '0',
      RetryTime: '864000',
      Archive: 'yes',
      Context: 'campanile-answered',
      Extension: 's',
      Priority: '1',
      ...changes,
    }) as [Directive['key'], string | null][];
    const variables = {
      __CAMPANILE_CALL: call,
      __CAMPANILE_TOKEN: tokens.tokenFor(call),
      __CAMPANILE_AGI: this.agi,
      __CAMPANILE_REPORTS: this.reports,
      ...(routed ? { __CAMPANILE_ROUTE: route } : { 'CHANNEL(hangup_handler_push)': 'campanile-hangup,s,1' }),
    };
    const text = renderCallFile([
      ...values.flatMap(([key, value]) => (value === null ? [] : [{ key, value }])),
      ...Object.entries(variables).map(([name, value]) => ({
        key: 'Set' as const,
        value: `${name}=${value}`,
      })),
    ]);
    this.placeText(`${call}.call`, text);
    return call;
  }

  placeText(name: string, text: string, prepare: (path: string) => void = () => {}): void {
    const staged = join(this.dir, name);
    writeFileSync(staged, text);
    prepare(staged);
    renameSync(staged, join(this.outgoing, name));
  }

  /** The Status line of a call's archived file once it is there. */
  async status(call: string): Promise<string> {
    const path = join(this.done, `${call}.call`);
    const status = await until(() => existsSync(path) && parseCallFile(readFileSync(path, 'utf8')).status, {
      timeoutMs: 8_000,
      everyMs: 10,
    });
    if (!status) throw new Error(`the file of ${call} has no Status`);
    return status;
  }

  /** What the hangup handler reported of a call: over FastAGI when it was answered, else in a file. */
  report(call: string) {
    const heard = this.notes.get(call)?.hangup;
    const left = heard ? null : this.leftReport(call);
    return left === null ? heard : parseReport(left.split('|').slice(1));
  }

  /** What the hangup handler left of a call in a file because nobody heard it; null when it left nothing. */
  leftReport(call: string): string | null {
    if (!existsSync(this.reports)) return null;
    const lines = readFileSync(this.reports, 'utf8').split('\n');
    return lines.findLast((line) => line.startsWith(`${call}|`))?.slice(call.length + 1) ?? null;
  }

  files(directory = this.outgoing): string[] {
    return readdirSync(directory);
  }

  async close(): Promise<void> {
    await Promise.all(this.#pbxes.map((pbx) => pbx.stop()));
    await Promise.all(this.#servers.map((server) => server.stop(0)));
    rmSync(this.dir, { recursive: true });
  }
}

/** A WAV file of silence. */
function writeSound(path: string, seconds: number): void {
  const data = Buffer.alloc(seconds * 16_000);
  const header = Buffer.from(
    '52494646000000005741564566 6d7420100000000100 0100401f0000803e0000020010006461746100000000'.replaceAll(
      ' ',
      '',
    ),
    'hex',
  );
  header.writeUInt32LE(36 + data.length, 4);
  header.writeUInt32LE(data.length, 40);
  writeFileSync(path, Buffer.concat([header, data]));
}
