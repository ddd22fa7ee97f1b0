/** What this program uses of ding-dong 0.1.7, which carries no types of its own. */
declare module 'ding-dong/lib/context.js' {
  import type { EventEmitter } from 'node:events';
  import type { Duplex } from 'node:stream';

  type Callback = (error: Error | null, response?: unknown) => void;

  /**
   * One FastAGI conversation. It wraps `stream` into an old Readable (`this.stream`, to which it passes the socket's
   * other methods), calls `read()` whenever bytes are there, and emits the socket's `error` and `close` itself.
   */
  class Context extends EventEmitter {
    constructor(
      stream: Duplex,
      options?: { debug?: boolean; logger?: (arrow: string, data: object) => void },
    );
    /** `read()` gives everything that has arrived as text, or null. */
    stream: { read(): string | null; write(text: string): boolean; end(text?: string): void };
    /** What the last `read()` returned. */
    msg: string;
    variables: Record<string, string>;
    /** The callback of the command under way. */
    pending: Callback | null;
    /** Takes in what has arrived and returns what is left over. */
    read(): string;
    /** Writes `msg` as it is and keeps `callback` as `pending`. */
    send(msg: string, callback: Callback): void;
    sendCommand(command: string): Promise<unknown>;
    end(): Promise<void>;
    onEvent(event: string): Promise<unknown>;
    streamFile(name: string, digits?: string): Promise<{ code: number; result: string; value?: string }>;
    setVariable(name: string, value: string): Promise<{ code: number; result: string; value?: string }>;
  }
  export = Context;
}

declare module 'ding-dong' {
  import type { Server } from 'node:net';
  import type Context from 'ding-dong/lib/context.js';

  /** The library's own server, for the tests, to show what the wrapper must cure, and to measure against. */
  function agi(handler: (context: Context) => void): { start(port?: number, host?: string): Server };
  export = agi;
}
