import { type SpokenText, spokenOrWhy } from '../calls/flow/spoken.js';
import { type Addressed, findAddressed } from '../db/contacts.js';
import { type Content, flowsOf } from '../db/content.js';
import type { Tx } from '../db/pool.js';
import type { Sounds } from '../messages/sounds.js';
import type { ClaimedCall, RefusedCall } from '../scheduler/claim.js';
import { type Contents, keyOf } from './contents.js';
import type { OpenCall } from './open-calls.js';

/** What claimed calls need once they are answered, and those of them that cannot be made because there is nothing to say. */
export interface ReadiedCalls {
  opened: OpenCall[];
  refused: RefusedCall[];
}

const NOBODY: Addressed = { fields: {}, timeZone: 'UTC' };

/** Gathers what the calls say and do, with the sounds on this node, and whom they speak to. Texts are not spoken yet. */
export async function readyCalls(
  tx: Tx,
  calls: readonly ClaimedCall[],
  { contents, sounds }: { contents: Contents; sounds: Sounds },
): Promise<ReadiedCalls> {
  const ready = new Map<string, Content>();
  const refs = new Map(calls.map(({ content }) => [keyOf(content), content]));
  for (const [key, ref] of refs) ready.set(key, await contents.get(ref));
  const [addressed] = await Promise.all([findWhomTheyAsk(tx, calls, ready), haveSounds(refs, ready, sounds)]);
  const readied: ReadiedCalls = { opened: [], refused: [] };
  for (const { callId, number, ordinal, campaignId, contactId, trunkId, content: ref } of calls) {
    const content = ready.get(keyOf(ref))!;
    const contact = addressed.get(contactId) ?? NOBODY;
    const texts = spokenTo(contact, content);
    if (typeof texts === 'string') readied.refused.push({ callId, problem: texts });
    else {
      const call = { callId, number, ordinal, campaignId, contactId, trunkId };
      readied.opened.push({ ...call, ...contact, content, texts });
    }
  }
  return readied;
}

/** What is spoken to a contact; or, as a sentence, why that cannot be. */
export function spokenTo(contact: Addressed, content: Content): SpokenText[] | string {
  return spokenOrWhy(flowsOf(content), contact, (id) => content.texts.get(id) ?? null);
}

/** Only what can be asked for is read. */
async function findWhomTheyAsk(
  tx: Tx,
  calls: readonly ClaimedCall[],
  ready: ReadonlyMap<string, Content>,
): Promise<Map<string, Addressed>> {
  const asking = calls.filter(
    ({ content }) => content.flowId !== null || ready.get(keyOf(content))!.texts.size > 0,
  );
  if (asking.length === 0) return new Map();
  return findAddressed(
    tx,
    asking.map(({ tenantId, contactId: id }) => ({ tenantId, id })),
  );
}

async function haveSounds(
  refs: ReadonlyMap<string, ClaimedCall['content']>,
  ready: ReadonlyMap<string, Content>,
  sounds: Sounds,
): Promise<void> {
  await Promise.all(
    [...refs].map(async ([key, { tenantId }]) => {
      for (const { sha256 } of ready.get(key)!.sounds.values()) await sounds.ensure(tenantId, sha256);
    }),
  );
}
