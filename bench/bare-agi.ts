// The measure of the first-audio benchmark: a FastAGI server that plays one file to everybody, and asks nothing first. Run as
// `node dist/bench/bare-agi.js PORT FILE` (without its extension), ended by SIGTERM.
import { createServer } from 'node:net';

const [port, file] = process.argv.slice(2) as [string, string];

createServer({ noDelay: true }, (socket) => {
  let heard = '';
  let playing = false;
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    if (playing) {
      socket.end();
      return;
    }
    heard += chunk.toString('latin1');
    if (!heard.endsWith('\n\n')) return;
    playing = true;
    socket.write(`CONTROL STREAM FILE "${file}" "0123456789*#" "1000" "x" "x" "x"\n`);
  });
}).listen({ port: Number(port), host: '127.0.0.1', backlog: 4096 });
process.on('SIGTERM', () => process.exit(0));
