import { BlockList, isIPv6 } from 'node:net';

// IANA's special-purpose registries (RFC 6890 and what followed), and multicast: every form in which an IPv4 address may stand
// in an IPv6 one, too (mapped, compatible, translated, NAT64, Teredo, 6to4). The IPv4 networks of documentation lead nowhere.
const NOT_OF_THE_INTERNET: readonly [network: string, prefix: number, type: 'ipv4' | 'ipv6'][] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 96, 'ipv6'],
  ['::ffff:0:0:0', 96, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['100::', 64, 'ipv6'],
  ['2001::', 23, 'ipv6'],
  ['2001:db8::', 32, 'ipv6'],
  ['2002::', 16, 'ipv6'],
  ['3fff::', 20, 'ipv6'],
  ['5f00::', 16, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
];
const LOCAL_NAMES = /(?:^|\.)(?:localhost|local|localdomain|internal|intranet|lan|home|corp|home\.arpa)$/i;

const blocked = new BlockList();
for (const [network, prefix, type] of NOT_OF_THE_INTERNET) blocked.addSubnet(network, prefix, type);

/** Whether a host's name is one of a local network, whatever it stands for. */
export function isLocalName(host: string): boolean {
  return LOCAL_NAMES.test(host);
}

/** Whether an address, IPv4 or IPv6, is not one of the internet: private, loopback, link-local (a cloud's metadata too), shared... */
export function isPrivateAddress(address: string): boolean {
  // An IPv4 address as IPv6 (::ffff:10.0.0.1) is looked up as what it is by BlockList itself.
  return isIPv6(address) ? blocked.check(address, 'ipv6') : blocked.check(address, 'ipv4');
}
