import { parseArgs } from 'node:util';
import { loadConfig } from '../config.js';
import { CampanileError } from '../errors.js';
import { createLog } from '../log.js';
import { type Role, startCampanile } from '../main.js';

const HELP = `usage: campanile serve [--role all|api|node]

Runs until SIGTERM or SIGINT: then it claims nothing more, leaves calls in progress to Asterisk, finishes what is
archived meanwhile, and stops within CAMPANILE_STOP_GRACE. The next start carries on.
`;

/** `campanile serve`: everything in one process, or one role of it. Resolves when it has stopped. */
export async function serve(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: { role: { type: 'string', default: 'all' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (!['all', 'api', 'node'].includes(values.role)) {
    throw new CampanileError('usage', `--role must be all, api or node, not "${values.role}"`);
  }
  const config = loadConfig();
  const log = createLog(config.logLevel);
  let end: (code: number) => void = () => {};
  const ended = new Promise<number>((resolve) => {
    end = resolve;
  });
  // Node would print all that the error carries, a row of Postgres' too.
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'ended by an error that nobody expected');
    process.exit(1);
  });
  process.once('SIGTERM', () => end(0));
  process.once('SIGINT', () => end(0));
  const running = await startCampanile(config, values.role as Role, log, (error) => {
    log.fatal({ err: error }, 'cannot go on');
    end(1);
  });
  const code = await ended;
  log.info('stopping');
  await running.stop();
  return code;
}
