import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../src/lab/ports.js';

/** A TCP relay between Asterisk and our FastAGI. */
export interface AgiRelay {
  /** 127.0.0.1's. */
  readonly port: number;
  /** Hands on what comes while FastAGI listens. Connections that were stalled are broken. */
  pass(): void;
  /** Does not listen, and breaks the connections that there are. */
  refuse(): void;
  /** Accepts connections, and neither hands anything on nor answers. */
  stall(): void;
  /** Hands on so many bytes a second in each direction of each connection. */
  slow(bytesPerSecond: number): void;
  stop(): Promise<void>;
}

type Mode = { kind: 'pass' | 'refuse' | 'stall' } | { kind: 'slow'; bytesPerSecond: number };

const SLICE_MS = 50;
const FOLLOW_MS = 20;

/** Starts a relay to `target` on 127.0.0.1. While nobody listens there, nobody does here. */
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
    const campanile = keep(createConnection({ ...target, allowHalfOpen: true, noDelay: true }));
    campanile.on('close', () => asterisk.destroy());
    asterisk.on('close', () => campanile.destroy());
    carry(asterisk, campanile);
    carry(campanile, asterisk);
  });
  server.listen(await freePort('tcp'), '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let wanted = Promise.resolve();

  /** Asterisk must be refused where it would be without us between. */
  async function follow(): Promise<void> {
    const listens = mode.kind === 'stall' || (mode.kind !== 'refuse' && (await isListenedOn(target.port)));
    if (listens === server.listening) return;
    if (!listens) return void server.close();
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  }
  const follower = setInterval(() => {
    wanted = wanted.then(follow).catch(() => {});
  }, FOLLOW_MS);

  function change(next: Mode): void {
    const breaks = next.kind === 'refuse' || mode.kind === 'stall';
    mode = next;
    if (next.kind === 'refuse') server.close();
    if (breaks) breakAll();
  }

  return {
    port,
    pass: () => change({ kind: 'pass' }),
    refuse: () => change({ kind: 'refuse' }),
    stall: () => change({ kind: 'stall' }),
    slow: (bytesPerSecond) => change({ kind: 'slow', bytesPerSecond }),
    async stop() {
      clearInterval(follower);
      change({ kind: 'refuse' });
      await wanted;
      if (server.listening) server.close();
    },
  };
}

/** Whether a process listens on TCP port `port` of 127.0.0.1 or of every address. */
async function isListenedOn(port: number): Promise<boolean> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  const table = await readFile('/proc/net/tcp', 'utf8');
  // State 0A is LISTEN (proc_net_tcp.txt of the kernel).
  return new RegExp(`: (0100007F|00000000):${hex} 00000000:0000 0A `).test(table);
}
