import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { CampanileError } from '../errors.js';

// Below Linux' ephemeral ports (32768 and up), so that no outgoing socket takes a port between our look and its use,
// and above the RTP ports that an instance uses by default.
const LOWEST = 25_000;
const HIGHEST = 32_000;

/** A port of 127.0.0.1 that was free a moment ago, drawn at random so that parallel callers rarely draw the same. */
export async function freePort(protocol: 'udp' | 'tcp'): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await canBind(protocol, port)) return port;
  }
  throw new CampanileError(
    'no_free_port',
    `no free ${protocol} port between ${LOWEST} and ${HIGHEST} on 127.0.0.1`,
  );
}

async function canBind(protocol: 'udp' | 'tcp', port: number): Promise<boolean> {
  try {
    if (protocol === 'udp') {
      const socket = createSocket('udp4');
      socket.bind(port, '127.0.0.1');
      await once(socket, 'listening');
      await new Promise<void>((done) => socket.close(done));
    } else {
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      await new Promise((done) => server.close(done));
    }
    return true;
  } catch {
    return false;
  }
}

/** Whether some process has UDP port `port` of 127.0.0.1 (or of every address) open. Linux only. */
export async function udpPortInUse(port: number): Promise<boolean> {
  return listsUdpPort(await readFile('/proc/net/udp', 'utf8'), port);
}

/** Throws a CampanileError when UDP port `port` is taken: SIPp and Asterisk would say so in their logs at best. */
export async function refusePortInUse(port: number): Promise<void> {
  if (!(await udpPortInUse(port))) return;
  throw new CampanileError(
    'port_in_use',
    `UDP port ${port} of 127.0.0.1 is in use: give another one, see freePort`,
  );
}

/** Whether `table`, the text of /proc/net/udp, has a socket on 127.0.0.1:`port` or 0.0.0.0:`port`. */
export function listsUdpPort(table: string, port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return table
    .split('\n')
    .some((line) => /^\s*\d+:\s+(0100007F|00000000):/.test(line) && line.split(':')[2]?.startsWith(hex));
}
