import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { freePort, listsUdpPort, refusePortInUse } from '../../src/lab/ports.js';

// Real, with a socket on 127.0.0.1:27001 and one on 0.0.0.0:5353.
const table = `   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 2537: 00000000:14E9 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 90233 2 00000000b29b0b53 0
 7801: 0100007F:6979 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 90232 2 00000000cdad7ef5 0
`;

it('finds a port on loopback and one on every address in the table of sockets', () => {
  expect(listsUdpPort(table, 27001)).toBe(true);
  expect(listsUdpPort(table, 5353)).toBe(true);
  expect(listsUdpPort(table, 27002)).toBe(false);
  expect(listsUdpPort(table, 0)).toBe(false);
});

it('draws a port that can be bound, outside the range that outgoing sockets use', async () => {
  const port = await freePort('udp');
  expect(port).toBeLessThan(32_768);
  const socket = createSocket('udp4').bind(port, '127.0.0.1');
  onTestFinished(() => void socket.close());
  await once(socket, 'listening');
});

it.runIf(process.platform === 'linux')('refuses a port that another socket has', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  onTestFinished(() => void socket.close());
  await once(socket, 'listening');
  await expect(refusePortInUse(socket.address().port)).rejects.toThrow(/is in use: give another one/);
});
