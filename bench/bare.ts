// The measure of the calls benchmark: a script that keeps N call files in outgoing/ and knows nothing else. It writes
// the next file when one is archived. Run as `node dist/bench/bare.js SPOOL N CODE UID GID`, ended by SIGTERM.
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const [spool, ports, code, uid, gid] = process.argv.slice(2) as [string, string, string, string, string];
const staging = join(spool, 'bare');
const done = join(spool, 'outgoing_done');
let next = 0;

function place(): void {
  const name = `bare-${process.pid}-${next}.call`;
  const file = `Channel: PJSIP/+1212${2_000_000 + (next++ % 8_000_000)}${code}@far
WaitTime: 30
MaxRetries: 0
RetryTime: 864000
Archive: yes
Context: bare
Extension: s
Priority: 1
`;
  writeFileSync(join(staging, name), file);
  chownSync(join(staging, name), Number(uid), Number(gid));
  renameSync(join(staging, name), join(spool, 'outgoing', name));
}

function refill(): void {
  for (const name of readdirSync(done)) {
    if (!name.startsWith(`bare-${process.pid}-`)) continue;
    // Asterisk appends the status by name, and would make a file anew that was removed before.
    if (!readFileSync(join(done, name), 'latin1').includes('\nStatus: ')) continue;
    unlinkSync(join(done, name));
    place();
  }
}

mkdirSync(staging, { recursive: true });
mkdirSync(done, { recursive: true });
chownSync(done, Number(uid), Number(gid));
watch(done, refill);
setInterval(refill, 1000);
for (let i = 0; i < Number(ports); i++) place();
process.on('SIGTERM', () => process.exit(0));
