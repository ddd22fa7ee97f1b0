import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type Logger, pino } from 'pino';

/** What the dialplan says: `AGI(agi://127.0.0.1/<script>,<args...>)`, and further variables of the environment. */
export type FakeCall = { script?: string; args?: string[]; variables?: Record<string, string> };

/** The environment block as setup_env() in res_agi.c writes it. */
export function environment({ script = 'test', args = [], variables = {} }: FakeCall = {}): string {
  const all: Record<string, string> = {
    agi_network: 'yes',
    agi_network_script: script,
    agi_request: `agi://127.0.0.1/${script}`,
    agi_channel: 'PJSIP/carrier-00000001',
    agi_language: 'en',
    agi_type: 'PJSIP',
    agi_uniqueid: '1763750000.1',
    agi_version: '22.10.0',
    agi_callerid: '+390212345678',
    agi_calleridname: 'unknown',
    agi_dnid: 'unknown',
    agi_rdnis: '',
    agi_context: 'campanile-answered',
    agi_extension: 's',
    agi_priority: '1',
    agi_enhanced: '0.0',
    agi_accountcode: '',
    agi_threadid: '139872',
    ...variables,
  };
  args.forEach((value, index) => {
    all[`agi_arg_${index + 1}`] = value;
  });
  return `${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')}\n`;
}

/** Splits a command into its words as Asterisk does: quotes group, a backslash takes the next character as it is. */
export function parseArguments(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at]!;
    if (character === '\\' && at + 1 < line.length) {
      at += 1;
      word = (word ?? '') + line[at];
    } else if (character === '"') {
      quoted = !quoted;
      word ??= '';
    } else if (character === ' ' && !quoted) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + character;
  }
  return word === undefined ? words : [...words, word];
}

/** The Asterisk end of one FastAGI connection. */
export class FakeAsterisk {
  /** Every whole line received. */
  readonly lines: string[] = [];
  /** Resolves when the connection is closed, however it came about. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #rest = '';
  #read = 0;

  private constructor(socket: Socket, closes: boolean) {
    this.#socket = socket;
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      const lines = (this.#rest + chunk).split('\n');
      this.#rest = lines.pop() ?? '';
      this.lines.push(...lines);
      socket.emit('lines');
    });
    // Asterisk ends every FastAGI session with this line.
    if (closes) socket.on('end', () => socket.end('HANGUP\n'));
    socket.on('error', () => {});
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }

  /** Connects and says nothing. Unless `closes` it leaves its side open when the other is closed. */
  static async connect(port: number, { closes = true } = {}): Promise<FakeAsterisk> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new FakeAsterisk(socket, closes);
  }

  /** Connects and sends the environment, `after` it in the same write. */
  static async call(port: number, call: FakeCall = {}, after = ''): Promise<FakeAsterisk> {
    const asterisk = await FakeAsterisk.connect(port);
    asterisk.send(environment(call) + after);
    return asterisk;
  }

  /** The next line that nobody has asked for yet. @throws if the connection closes first */
  async next(): Promise<string> {
    while (this.lines.length <= this.#read) {
      const closed = await Promise.race([
        once(this.#socket, 'lines').then(() => false),
        this.closed.then(() => true),
      ]);
      if (closed && this.lines.length <= this.#read) throw new Error('the connection was closed');
    }
    this.#read += 1;
    return this.lines[this.#read - 1]!;
  }

  /** Waits for a command and answers it. Returns the command. */
  async answer(reply: string): Promise<string> {
    const command = await this.next();
    this.send(`${reply}\n`);
    return command;
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  sendBytes(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  hangUp(): void {
    this.send('HANGUP\n');
  }

  /** Ends the connection in good order, as Asterisk does with AGIEXITONHANGUP=yes. */
  close(): void {
    this.#socket.end();
  }

  /** Breaks the connection off (RST). */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/** A logger that keeps what it logs, with its level's name. */
export function memoryLog(): { log: Logger; lines: { level: string; msg: string; suppressed?: number }[] } {
  const lines: { level: string; msg: string; suppressed?: number }[] = [];
  const write = (line: string) => lines.push(JSON.parse(line));
  const formatters = { level: (level: string) => ({ level }) };
  return { log: pino({ level: 'debug', base: null, formatters }, { write }), lines };
}
