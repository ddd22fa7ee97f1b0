import { connect, type Socket } from 'node:net';
import { LineFramer } from '../agi/protocol.js';
import { type AgiReply, runCommand } from './agi-command.js';
import type { Channel } from './channel.js';

/** What the dialplan finds in AGISTATUS. NOTFOUND: what it calls is no agi:// url. */
export type AgiStatus = 'SUCCESS' | 'FAILURE' | 'NOTFOUND' | 'HANGUP';

/** `AGI(<url>/<script>,<args>)` in the dialplan. */
export interface AgiCall {
  /** `agi://host[:port]`, as CAMPANILE_AGI has it. */
  url: string;
  script: string;
  args: readonly string[];
  context: string;
  /** The channel was hung up before: the hangup handler's session. */
  dead: boolean;
}

/** The host, in brackets when it is an IPv6 address, and the port. */
export const AGI_URL = /^agi:\/\/\[?([^/\]]+?)\]?(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 4573;
/** MAX_AGI_CONNECT in res_agi.c. */
const CONNECT_MS = 2_000;
/** AGI_BUF_LEN of Asterisk 22. */
const LINE_BYTES = 8_192;

/**
 * One FastAGI session as run_agi() in res/res_agi.c holds it, on a channel with AGIEXITONHANGUP=yes: commands are done
 * one after the other, the callee's hangup ends it with `HANGUP` lines, and a server that says nothing is waited for.
 */
export class AgiSession {
  /** Resolves when the session is over; never rejects, and never resolves after `abandon`. */
  readonly over: Promise<AgiStatus>;
  readonly #channel: Channel;
  readonly #dead: boolean;
  readonly #socket: Socket;
  readonly #connecting: NodeJS.Timeout;
  readonly #lines = new LineFramer(LINE_BYTES);
  readonly #waiting: string[] = [];
  #resolve!: (status: AgiStatus) => void;
  #status: AgiStatus = 'FAILURE';
  #state: 'connecting' | 'idle' | 'busy' | 'over' = 'connecting';
  #ended = false;

  constructor(channel: Channel, call: AgiCall) {
    this.#channel = channel;
    this.#dead = call.dead;
    this.over = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    const [, host, port] = AGI_URL.exec(call.url) ?? [];
    // Half open, or Node would answer the server's end with ours before the last HANGUP is written.
    this.#socket = connect({
      host: host ?? 'localhost',
      port: Number(port ?? DEFAULT_PORT),
      noDelay: true,
      allowHalfOpen: true,
    });
    this.#connecting = setTimeout(() => this.#finish('FAILURE'), CONNECT_MS);
    this.#socket
      .setEncoding('utf8')
      .on('connect', () => this.#begin(call))
      .on('data', (chunk: string) => this.#receive(chunk))
      .on('end', () => this.#end())
      .on('error', () => {})
      .on('close', () => this.#end());
    if (!call.dead) channel.onHangup = () => this.#hangUp();
  }

  /** Breaks the connection off, as the death of the PBX does. */
  abandon(): void {
    this.#state = 'over';
    clearTimeout(this.#connecting);
    this.#socket.destroy();
  }

  #begin(call: AgiCall): void {
    if (this.#state !== 'connecting') return;
    clearTimeout(this.#connecting);
    this.#socket.write(environmentOf(this.#channel, call));
    this.#status = 'SUCCESS';
    this.#state = 'idle';
    if (!this.#dead && this.#channel.hungUp) this.#hangUp();
  }

  #receive(chunk: string): void {
    if (this.#state === 'over') return;
    try {
      this.#waiting.push(...this.#lines.push(chunk));
    } catch {
      this.#finish('FAILURE');
      return;
    }
    if (this.#state === 'busy') this.#channel.interrupt();
    else this.#next();
  }

  #next(): void {
    if (this.#state === 'idle') {
      const line = this.#waiting.shift();
      if (line === undefined) {
        if (this.#ended) this.#finish(this.#status);
        return;
      }
      if (/^failure/i.test(line)) {
        this.#finish('FAILURE');
        return;
      }
      // Before it runs: what it does may end the call, and the reply comes before the HANGUP.
      this.#state = 'busy';
      const reply = runCommand(this.#channel, line, this.#dead);
      if (reply instanceof Promise) void reply.then((later) => this.#answer(later));
      else this.#answer(reply);
    }
  }

  #answer(reply: AgiReply): void {
    if (this.#state !== 'busy') return;
    this.#state = 'idle';
    if (reply.text !== null) this.#socket.write(`${reply.text}\n`);
    if (reply.failed && (this.#dead || !this.#channel.hungUp)) this.#status = 'FAILURE';
    if (!this.#dead && this.#channel.hungUp) this.#hangUp();
    this.#next();
  }

  /** The call has ended. A command under way is answered first: run_agi() finds out when it waits for the next one. */
  #hangUp(): void {
    if (this.#state !== 'idle') return;
    this.#socket.write('HANGUP\n');
    this.#finish(this.#status === 'SUCCESS' ? 'HANGUP' : this.#status);
  }

  #end(): void {
    this.#ended = true;
    if (this.#state === 'connecting') this.#finish('FAILURE');
    else if (this.#state === 'busy') this.#channel.interrupt();
    else this.#next();
  }

  #finish(status: AgiStatus): void {
    if (this.#state === 'over') return;
    const connected = this.#state !== 'connecting';
    this.#state = 'over';
    clearTimeout(this.#connecting);
    if (!this.#dead) this.#channel.onHangup = null;
    if (connected) {
      this.#socket.write('HANGUP\n');
      this.#socket.destroySoon();
    } else this.#socket.destroy();
    this.#resolve(status);
  }
}

let threads = 0;

/** The environment block as setup_env() writes it. */
function environmentOf(channel: Channel, { url, script, args, context }: AgiCall): string {
  const { name, number } = channel.callerId;
  threads += 1;
  const lines = [
    'agi_network: yes',
    `agi_network_script: ${script}`,
    `agi_request: ${url}/${script}`,
    `agi_channel: ${channel.name}`,
    'agi_language: en',
    `agi_type: ${channel.name.slice(0, channel.name.indexOf('/'))}`,
    `agi_uniqueid: ${Math.floor(Date.now() / 1000)}.${threads}`,
    'agi_version: campanile-sandbox',
    `agi_callerid: ${number || 'unknown'}`,
    `agi_calleridname: ${name || 'unknown'}`,
    'agi_callingpres: 0',
    'agi_callingani2: 0',
    'agi_callington: 0',
    'agi_callingtns: 0',
    'agi_dnid: unknown',
    'agi_rdnis: unknown',
    `agi_context: ${context}`,
    'agi_extension: s',
    'agi_priority: 2',
    'agi_enhanced: 0.0',
    'agi_accountcode: ',
    `agi_threadid: ${threads}`,
    ...args.map((value, index) => `agi_arg_${index + 1}: ${value}`),
  ];
  return `${lines.join('\n')}\n\n`;
}
