import { speaks } from '../calls/flow/spoken.js';
import type { NodeLimits } from '../db/nodes.js';
import type { Db } from '../db/pool.js';
import { listNextContacts, listRunningContents } from '../db/speech.js';
import type { Speech } from '../messages/speech/speech.js';
import type { Contents } from './contents.js';
import { spokenTo } from './ready-calls.js';

/** So far ahead of the contacts' turn. */
const SECONDS = 120;

/**
 * Has the texts spoken of those who are called next, about twice as many as there are ports, so that no port waits for them. It
 * is a hint only: whoever it missed is spoken to a moment later. Begins nothing while as many texts wait. Returns how many it
 * asked for.
 */
export async function speakAhead({
  db,
  contents,
  speech,
  node,
}: {
  db: Db;
  contents: Contents;
  speech: Pick<Speech, 'ready' | 'prepare' | 'waiting'>;
  node: Pick<NodeLimits, 'name' | 'ports'>;
}): Promise<number> {
  let asked = 0;
  for (const ref of await listRunningContents(db, node.name)) {
    const most = 2 * node.ports - speech.waiting();
    if (most <= 0) break;
    const content = await contents.get(ref).catch(() => null);
    if (content === null || !speaks(content.flow, content.texts)) continue;
    for (const contact of await listNextContacts(db, ref, most, SECONDS)) {
      const texts = spokenTo(contact, content);
      if (typeof texts === 'string' || speech.ready(ref.tenantId, texts)) continue;
      // Whoever is called hears of what fails.
      speech.prepare(ref.tenantId, texts, 'ahead').catch(() => {});
      asked += 1;
    }
  }
  return asked;
}
