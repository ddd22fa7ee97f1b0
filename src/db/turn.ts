import type { Tx } from './pool.js';

const TURN = 0x63616d70; // "camp"

/**
 * Waits for this transaction's turn, which lasts until it ends. Whoever claims contacts or locks several campaigns takes
 * one, in the whole installation: so counts of open ports are exact and no limit is passed, and nobody waits in a circle.
 */
export async function waitForTurn(tx: Tx): Promise<void> {
  await tx.query({ name: 'wait-for-turn', text: 'SELECT pg_advisory_xact_lock($1)', values: [TURN] });
}
