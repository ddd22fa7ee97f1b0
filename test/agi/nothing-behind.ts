import type { PhoneOptions } from '../../src/agi/flow/phone.js';

/** For flows that record nothing and pass nobody on. */
export const nothingBehind: Pick<PhoneOptions, 'recordings' | 'transfers'> = {
  recordings: {
    pathFor: () => {
      throw new Error('nothing is recorded here');
    },
    keep: () => Promise.reject(new Error('nothing is recorded here')),
  },
  transfers: {
    begin: async () => 'failed',
    end: () => Promise.reject(new Error('nobody is passed on here')),
    whenTold: async () => null,
  },
};
