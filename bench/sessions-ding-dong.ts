// One of three in the benchmark sessions: the library that ours is built on. Run as
// `node dist/bench/sessions-ding-dong.js PORT`, ended by SIGTERM.
import dingDong from 'ding-dong';

const agi = dingDong((call) => {
  call.on('error', () => {});
  void call.onEvent('variables').then(async () => {
    await call.sendCommand('CONTROL STREAM FILE "hello" "0123456789*#" "1000" "x" "x" "x"');
    await call.sendCommand('SET VARIABLE "DONE" "1"');
    await call.end();
  });
});
agi.start(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => process.exit(0));
