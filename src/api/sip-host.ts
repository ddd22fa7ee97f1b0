import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import { isLocalName, isPrivateAddress } from '../private-address.js';

/**
 * Why the PBX should not be sent to `host` on a tenant's word, as the end of a sentence; null when it may. What cannot be
 * resolved here may, since many carriers have SRV records only; and what a name stands for may change: a firewall around the
 * PBX is the real fence.
 */
export async function whyNotOfTheInternet(host: string): Promise<string | null> {
  if (isLocalName(host)) return 'is a name of a local network';
  const addresses = isIPv4(host)
    ? [host]
    : await lookup(host, { all: true }).then(
        (found) => found.map(({ address }) => address),
        () => [],
      );
  // Which of a name's addresses it is would tell a tenant about a network that he does not see.
  return addresses.some(isPrivateAddress) ? 'is at an address of a private network' : null;
}
