import { parseArgs } from 'node:util';
import { benchCalls } from './calls.js';
import { benchClaim } from './claim.js';
import { benchExport } from './export.js';
import { benchFirstAudio } from './first-audio.js';
import { benchImport } from './import.js';
import { startGround } from './line.js';
import { benchSessions } from './sessions.js';
import { benchSteps } from './steps.js';

const BENCHES = {
  calls: benchCalls,
  claim: benchClaim,
  export: benchExport,
  'first-audio': benchFirstAudio,
  import: benchImport,
  sessions: benchSessions,
  steps: benchSteps,
};

// npm run bench [-- calls|claim|export|first-audio|import|sessions|steps] [-- --rounds N]
const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '3' } },
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
let kept = true;
for (const name of names) {
  const bench = BENCHES[name as keyof typeof BENCHES];
  if (!bench) {
    console.error(`no benchmark "${name}": there are ${Object.keys(BENCHES).join(', ')}`);
    process.exit(2);
  }
  const ground = await startGround();
  try {
    kept = (await bench(ground, Number(values.rounds))) && kept;
  } finally {
    await ground.stop();
  }
}
process.exitCode = kept ? 0 : 1;
