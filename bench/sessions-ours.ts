// One of three in the benchmark sessions: our FastAGI server. Run as `node dist/bench/sessions-ours.js PORT`, ended by SIGTERM.
import { createAgiServer } from '../src/agi/server.js';
import { createLog } from '../src/log.js';

const server = createAgiServer({
  port: Number(process.argv[2]),
  log: createLog('error'),
  scripts: {
    async work(session) {
      await session.play('hello', '0123456789*#');
      await session.setVariable('DONE', '1');
    },
  },
});
await server.start();
process.on('SIGTERM', () => process.exit(0));
