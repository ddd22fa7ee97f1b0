import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { parseArgs } from 'node:util';
import { CampanileError } from '../errors.js';
import { createTerminal, type Terminal } from '../terminal.js';
import { createImportClient, type ShownImport } from './import-client.js';

const HELP = `usage: campanile import FILE --campaign ID [--tenant ID] [--url URL] [--token TOKEN]

Uploads a list of contacts (.csv, .ndjson or .jsonl) of any length to the API and waits until it is stored: all of its good
rows, or nothing. An admin's token needs --tenant.

  --url    the API, else CAMPANILE_URL, else http://127.0.0.1:8088
  --token  else CAMPANILE_TOKEN; "campanile token --tenant ID" prints one

Exit code: 0 when the import was completed, else 1.
`;

const TYPES: Record<string, string> = {
  '.csv': 'text/csv',
  '.ndjson': 'application/x-ndjson',
  '.jsonl': 'application/x-ndjson',
};
const PLAIN_EVERY_MS = 5000;

/** `campanile import`: resolves with the exit code when the import is over. */
export async function importContacts(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options) {
    process.stdout.write(HELP);
    return 0;
  }
  const { file, campaign } = options;
  const type = TYPES[extname(file).toLowerCase()];
  if (!type) throw new CampanileError('usage', `${file} must end in ${Object.keys(TYPES).join(', ')}`);
  const found = await stat(file).catch((cause: Error) => {
    throw new CampanileError('usage', `cannot read ${file}: ${cause.message}`, { cause });
  });
  const client = createImportClient(options);
  const terminal = createTerminal(process.stdout, process.env);
  const progress = createProgress(terminal, found.size);
  let farewell = 'given up: nothing is stored of a list that was not sent whole';
  const forget = onInterrupt(() => {
    progress.close();
    terminal.write(`${farewell}\n`);
  });
  try {
    const begun = await client.upload(campaign, type, createReadStream(file), progress.sent);
    farewell = `the server goes on storing it: ${client.importUrl(begun.id)} tells how it ends`;
    progress.say('all is sent, the server stores it');
    const job = await client.untilOver(begun.id);
    progress.close();
    return sayOutcome(job, client.rejectedUrl(job.id), terminal);
  } finally {
    progress.close();
    forget();
  }
}

/** Does something before Ctrl-C ends the program, with 130 as a shell expects. The answer takes that back. */
function onInterrupt(act: () => void): () => void {
  const end = () => {
    act();
    process.exit(130);
  };
  process.once('SIGINT', end);
  return () => void process.off('SIGINT', end);
}

function readOptions(args: string[]) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      campaign: { type: 'string' },
      tenant: { type: 'string' },
      url: { type: 'string' },
      token: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return null;
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new CampanileError('usage', 'name one file to import');
  const { campaign, tenant } = values;
  if (campaign === undefined) throw new CampanileError('usage', 'say into which campaign: --campaign ID');
  const token = values.token ?? process.env.CAMPANILE_TOKEN;
  if (!token) throw new CampanileError('usage', 'a token is needed: --token, or CAMPANILE_TOKEN');
  const url = values.url ?? (process.env.CAMPANILE_URL || 'http://127.0.0.1:8088');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new CampanileError('usage', `${JSON.stringify(url)} is not the address of an API`);
  }
  if (new URL(url).username + new URL(url).password !== '')
    throw new CampanileError(
      'usage',
      'the address of the API must have no user and no password: send a token',
    );
  return { file, campaign, tenant, token, url: url.replace(/\/+$/, '') };
}

/** A bar on a terminal that can draw one, else a line every few seconds. */
function createProgress({ live, columns, unicode, write }: Terminal, size: number) {
  let said = 0;
  let drawn = -1;
  const say = (text: string) => write(live ? `\r\x1b[K${text}` : `${text}\n`);
  return {
    say,
    sent(bytes: number) {
      const share = size === 0 ? 1 : Math.min(1, bytes / size);
      const percent = Math.floor(share * 100);
      if (live && percent === drawn) return;
      if (!live && performance.now() - said < PLAIN_EVERY_MS) return;
      drawn = percent;
      said = performance.now();
      const text = `${percent} % of ${sizeText(size)} sent`;
      if (!live) return say(text);
      const width = Math.max(5, Math.min(60, columns - text.length - 3));
      const full = Math.floor(share * width);
      const [done, rest] = unicode ? ['█', '░'] : ['#', '.'];
      say(`${done.repeat(full)}${rest.repeat(width - full)} ${text}`);
    },
    /** Takes the bar away. May be called twice. */
    close() {
      if (live && drawn >= 0) write('\r\x1b[K');
      drawn = -1;
    },
  };
}

function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function sayOutcome(job: ShownImport, rejectedUrl: string, { write, paint }: Terminal): number {
  if (job.state !== 'completed') {
    write(`${paint('red', 'FAILED')}  ${job.error ?? job.state}; nothing was stored\n`);
    return 1;
  }
  write(
    `${paint('green', 'ok')}  ${job.rows} rows: ${job.added} added, ${job.duplicates} duplicates, ${job.rejected} rejected\n`,
  );
  if (job.rejected > 0) {
    write(
      `The rejected rows, with line and reason:\n  curl -fo rejected.csv -H "Authorization: Bearer $CAMPANILE_TOKEN" '${rejectedUrl}'\n`,
    );
  }
  return 0;
}
