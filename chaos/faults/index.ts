import type { Fault } from '../fault.js';
import { agiFaults } from './agi.js';
import { asteriskFaults } from './asterisk.js';
import { campanileFaults } from './campanile.js';
import { postgresFaults } from './postgres.js';

/** Every kind of fault that a run can inject. */
export const FAULTS: readonly Fault[] = [
  ...campanileFaults,
  ...asteriskFaults,
  ...postgresFaults,
  ...agiFaults,
];
