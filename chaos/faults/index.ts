import type { Fault } from '../fault.js';
import { agiFaults } from './agi.js';
import { asteriskFaults } from './asterisk.js';
import { campanileFaults } from './campanile.js';
import { clockFaults } from './clock.js';
import { eventFaults } from './events.js';
import { postgresFaults } from './postgres.js';
import { restoreFaults } from './restore.js';
import { secondProcessFaults } from './second-process.js';
import { spoolFaults } from './spool.js';

/** Every kind of fault that a run can inject. */
export const FAULTS: readonly Fault[] = [
  ...campanileFaults,
  ...asteriskFaults,
  ...postgresFaults,
  ...agiFaults,
  ...spoolFaults,
  ...eventFaults,
  ...clockFaults,
  ...secondProcessFaults,
  ...restoreFaults,
];
