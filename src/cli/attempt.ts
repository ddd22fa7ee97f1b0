import { parseArgs } from 'node:util';
import { callIdOf, parseCallId } from '../calls/call-id.js';
import { sandboxNameOf } from '../calls/node-name.js';
import { type Config, loadConfig } from '../config.js';
import { type AttemptRecord, findAttemptRecord } from '../db/attempt-record.js';
import { CampanileError } from '../errors.js';
import { createLog } from '../log.js';
import { sandboxSpoolOf } from '../node/sandbox-node.js';
import { findCallFile } from '../spool/find.js';
import { tellAttempt } from '../story/story.js';
import type { SeenFile } from '../story/timeline.js';
import { createTerminal } from '../terminal.js';
import { readDatabase } from './database.js';

const HELP = `usage: campanile attempt ID [--json]

Tells what happened to one attempt, with times (UTC, and seconds since it was claimed): when it was due, claimed and placed,
when Asterisk began the call, what was played, heard and pressed, how it ended and why, when its port was free again, and what
comes next. ID is that of the API, or the name of a call file. Run it with the environment that "campanile serve" has.

--json prints all that the database has of it instead. Both hold the number and what the callee answered.
`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `campanile attempt`: prints the story of an attempt; resolves with the exit code. */
export async function attempt(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean' } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const id = readId(positionals);
  const config = loadConfig();
  const record = await readDatabase(config, createLog('silent'), (db) => findAttemptRecord(db, id));
  if (!record) throw unknownAttempt(id);
  if (values.json) process.stdout.write(`${JSON.stringify(record, null, 2)}\n`);
  else {
    const terminal = createTerminal(process.stdout, process.env);
    terminal.write(tellAttempt(record, seenFile(record, config), new Date(), terminal));
  }
  return 0;
}

/** A call file's name, as `ls` and a log of Asterisk have it, names its attempt as well. */
function readId(positionals: string[]): string {
  const [text, ...more] = positionals;
  if (text === undefined || more.length > 0)
    throw new CampanileError('usage', 'name one attempt: campanile attempt ID (--help tells more)');
  const name = text
    .toLowerCase()
    .replace(/^.*\//, '')
    .replace(/\.call$/, '');
  const id = parseCallId(name)?.attemptId ?? name;
  if (UUID.test(id)) return id;
  throw new CampanileError(
    'usage',
    `${JSON.stringify(text)} is not the id of an attempt: that looks like 019aa9c1-7d52-7a30-8a11-5b0f62c8d1aa, and is in GET /v1/campaigns/{id}/attempts, in the log and in the name of a call file`,
  );
}

function unknownAttempt(id: string): CampanileError {
  return new CampanileError(
    'attempt_unknown',
    `there is no attempt ${id}: it was released before anybody was called (the log says so: grep the id), its campaign or tenant was deleted, the database is of an older backup, or it is the id of something else`,
  );
}

function seenFile(record: AttemptRecord, config: Config): SeenFile | null {
  if (record.state !== 'open') return null;
  const callId = callIdOf(record.tenant_id, record.id);
  if (record.node === config.nodeName) return findCallFile(config.spoolDir, callId);
  if (record.node === sandboxNameOf(config.nodeName)) return findCallFile(sandboxSpoolOf(config), callId);
  return null;
}
