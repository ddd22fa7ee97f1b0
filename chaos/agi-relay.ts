import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A TCP relay between Asterisk and our FastAGI. */
export interface AgiRelay {
  /** 127.0.0.1's. */
  readonly port: number;
  /** Hands on what comes. Connections that were stalled are broken. */
  pass(): void;
  /** Breaks each connection, and each new one at once. */
  refuse(): void;
  /** Accepts connections, and neither hands anything on nor answers. */
  stall(): void;
  /** Hands on so many bytes a second in each direction of each connection. */
  slow(bytesPerSecond: number): void;
  stop(): Promise<void>;
}

type Mode = { kind: 'pass' | 'refuse' | 'stall' } | { kind: 'slow'; bytesPerSecond: number };

const SLICE_MS = 50;

/** Starts a relay to `target`, which need not be there yet. */
export async function startAgiRelay(target: { host: string; port: number }): Promise<AgiRelay> {
  let mode: Mode = { kind: 'pass' };
  const sockets = new Set<Socket>();

  function breakAll(): void {
    for (const socket of sockets) socket.destroy();
  }

  function keep(socket: Socket): Socket {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    return socket;
  }

  /** Hands on all that comes from one socket to another, one piece after the other. */
  function carry(from: Socket, to: Socket): void {
    let done: Promise<void> = Promise.resolve();
    from.on('data', (chunk) => {
      from.pause();
      done = handOn(chunk, to).then(() => void from.resume());
    });
    from.on('end', () => done.then(() => to.end()));
  }

  async function handOn(chunk: Buffer, to: Socket): Promise<void> {
    for (let rest = chunk; rest.length > 0 && !to.destroyed; ) {
      if (mode.kind === 'pass') {
        to.write(rest);
        return;
      }
      if (mode.kind === 'slow') {
        const size = Math.max(1, Math.round((mode.bytesPerSecond * SLICE_MS) / 1000));
        to.write(rest.subarray(0, size));
        rest = rest.subarray(size);
      }
      await sleep(SLICE_MS);
    }
  }

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (asterisk) => {
    keep(asterisk);
    if (mode.kind === 'refuse') return void asterisk.destroy();
    const campanile = keep(createConnection({ ...target, allowHalfOpen: true, noDelay: true }));
    campanile.on('close', () => asterisk.destroy());
    asterisk.on('close', () => campanile.destroy());
    carry(asterisk, campanile);
    carry(campanile, asterisk);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  function change(next: Mode): void {
    const breaks = next.kind === 'refuse' || mode.kind === 'stall';
    mode = next;
    if (breaks) breakAll();
  }

  return {
    port: (server.address() as AddressInfo).port,
    pass: () => change({ kind: 'pass' }),
    refuse: () => change({ kind: 'refuse' }),
    stall: () => change({ kind: 'stall' }),
    slow: (bytesPerSecond) => change({ kind: 'slow', bytesPerSecond }),
    async stop() {
      server.close();
      change({ kind: 'refuse' });
      await once(server, 'close');
    },
  };
}
