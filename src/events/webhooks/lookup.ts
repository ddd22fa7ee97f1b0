import { type LookupAddress, type LookupAllOptions, lookup as resolve } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { isPrivateAddress } from '../../private-address.js';

/** A host that is not of the internet, or not only. */
export class PrivateHost extends Error {
  constructor() {
    // Which address it is would tell a tenant about a network that he does not see.
    super('the host is at an address of a private network');
  }
}

/** Every address of a name. */
export type Resolve = (
  host: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * A lookup for a socket that gives it no address but of the internet. The socket connects to what was checked: whatever the name
 * stands for a moment later, nobody asks again.
 */
export function publicLookup(resolveAll: Resolve = resolve): LookupFunction {
  return (host, options, done) => {
    resolveAll(host, { ...options, all: true }, (error, addresses) => {
      if (error) return done(error, '');
      if (addresses.length === 0 || addresses.some(({ address }) => isPrivateAddress(address))) {
        return done(new PrivateHost(), '');
      }
      if (options.all) return done(null, addresses);
      done(null, addresses[0]!.address, addresses[0]!.family);
    });
  };
}
