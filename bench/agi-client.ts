import { connect } from 'node:net';

// As setup_env() of res_agi.c writes it.
const ENVIRONMENT = `${[
  ...[
    'network: yes',
    'network_script: work',
    'request: agi://127.0.0.1/work',
    'channel: PJSIP/carrier-00000001',
  ],
  ...['language: en', 'type: PJSIP', 'uniqueid: 1763750000.1', 'version: 22.10.0', 'callerid: +14155550123'],
  ...[
    'calleridname: unknown',
    'callingpres: 0',
    'callingani2: 0',
    'callington: 0',
    'callingtns: 0',
    'dnid: unknown',
  ],
  ...['rdnis: unknown', 'context: campanile-answered', 'extension: s', 'priority: 4', 'enhanced: 0.0'],
  ...['accountcode: ', 'threadid: 139872', 'arg_1: call', 'arg_2: token'],
]
  .map((line) => `agi_${line}\n`)
  .join('')}\n`;

/**
 * One FastAGI session as Asterisk has it: it answers CONTROL STREAM FILE and SET VARIABLE at once. Resolves, when the server has
 * closed, with the milliseconds that it took; throws when it broke off. `holds`: it never answers, and resolves with null once
 * the first command is there, leaving the session open; `close` then ends it.
 */
export function session(port: number): Promise<number>;
export function session(port: number, holds: true): Promise<() => void>;
export function session(port: number, holds = false): Promise<number | (() => void)> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    let heard = '';
    let commands = 0;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(ENVIRONMENT));
    socket.on('error', reject);
    socket.on('data', (chunk: string) => {
      heard += chunk;
      for (let end = heard.indexOf('\n'); end >= 0; end = heard.indexOf('\n')) {
        const isPlay = heard.startsWith('CONTROL');
        heard = heard.slice(end + 1);
        commands += 1;
        if (holds) resolve(() => socket.destroy());
        else socket.write(isPlay ? '200 result=0 endpos=24000\n' : '200 result=1\n');
      }
    });
    socket.on('end', () => {
      if (commands === 2) resolve(performance.now() - started);
      else reject(new Error(`the server broke off after ${commands} commands`));
      socket.end();
    });
  });
}
