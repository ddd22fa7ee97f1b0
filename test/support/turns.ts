import { type Ending, type FinishedAttempt, finishAttempts } from '../../src/db/finish.js';
import { type Pool, transaction } from '../../src/db/pool.js';
import { waitForTurn } from '../../src/db/turn.js';
import { createNumberHash } from '../../src/number-hash.js';
import {
  type Claim,
  type ClaimedCall,
  type ClaimingNode,
  claimCalls,
  type RefusedCall,
} from '../../src/scheduler/claim.js';

/** As the installation of `startApi` has it. */
export const hashNumber = createNumberHash(Buffer.from('a secret of the tests that has more than 32 bytes'));

/** A turn that only claims. */
export function claimInTurn(
  pool: Pool,
  node: Omit<ClaimingNode, 'hashNumber'>,
  stage: (calls: ClaimedCall[]) => Promise<unknown>,
): Promise<Claim> {
  return transaction(pool, async (tx) => {
    await waitForTurn(tx);
    return claimCalls(
      tx,
      { ...node, hashNumber },
      async (calls) => ((await stage(calls)) as RefusedCall[] | undefined) ?? [],
    );
  });
}

/** A turn that only finishes. */
export function finishInTurn(pool: Pool, endings: readonly Ending[]): Promise<FinishedAttempt[]> {
  return transaction(pool, async (tx) => {
    await waitForTurn(tx);
    const { ended, written } = await finishAttempts(tx, endings);
    await written;
    return ended;
  });
}
