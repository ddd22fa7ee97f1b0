import { once } from 'node:events';
import { lstat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { CampanileError, messageOf } from './errors.js';

// Asterisk's console socket as `asterisk -rx` speaks it (main/asterisk.c, ast_remotecontrol, 1.8 to 22): Asterisk says
// `host/pid/version` LF; we send `cli quit after <command>` NUL; it answers with text, lines of verbose output among it
// that begin with the byte 127 (or, in old versions, a lower level byte), and closes.

/** The first letters of lines that are verbose output of others, not an answer. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they are
const VERBOSE = /^[\x01-\x08\x7f]/;

const BUSY_PAUSE_MS = 20;

/**
 * What `asterisk -rx <command>` prints, asked of the socket in Asterisk's run directory: so no `asterisk` program is
 * needed here. Throws a CampanileError (`asterisk_silent`) with the reason when there is no answer within `timeoutMs`;
 * its cause has the system's code.
 */
export async function askAsterisk(runDirectory: string, command: string, timeoutMs = 5_000): Promise<string> {
  const path = join(runDirectory, 'asterisk.ctl');
  try {
    if (!(await lstat(path)).isSocket()) throw new Error('it is not a socket');
    return await converseWhenFree(path, command, timeoutMs);
  } catch (cause) {
    throw new CampanileError('asterisk_silent', `cannot ask Asterisk at ${path}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

/** Asterisk lets two wait at its socket and turns others away (EAGAIN): several of ours may ask at once. */
async function converseWhenFree(path: string, command: string, timeoutMs: number): Promise<string> {
  for (const until = performance.now() + timeoutMs; ; await delay(BUSY_PAUSE_MS)) {
    try {
      return await converse(path, command, timeoutMs);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > until) throw error;
    }
  }
}

async function converse(path: string, command: string, timeoutMs: number): Promise<string> {
  const socket = createConnection(path);
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    await once(socket, 'connect');
    socket.write(`cli quit after ${command}\0`);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    const [, ...lines] = Buffer.concat(chunks).toString('utf8').replaceAll('\0', '').split('\n');
    return lines.filter((line) => !VERBOSE.test(line)).join('\n');
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
