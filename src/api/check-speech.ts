import { setImmediate } from 'node:timers/promises';
import { speaks, spokenOrWhy } from '../calls/flow/spoken.js';
import type { Campaign } from '../db/campaigns.js';
import { findContent, flowsOf } from '../db/content.js';
import type { Db } from '../db/pool.js';
import { listNextContacts } from '../db/speech.js';

/** To whom a campaign can say nothing, by the problem. */
export interface SpeechCheck {
  checked: number;
  problems: { problem: string; contacts: number }[];
}

const MOST_CHECKED = 10_000;
const EVER_SECONDS = 10 * 365 * 86_400;
/** Texts take some 10 µs each to make; calls in this process wait no longer for their turn. */
const PER_TURN = 200;

/** Makes the texts of the first contacts that wait; null where the campaign speaks nothing. */
export async function checkSpeech(db: Db, tenantId: string, campaign: Campaign): Promise<SpeechCheck | null> {
  const content = await findContent(db, {
    tenantId,
    messageId: campaign.message_id,
    flowId: campaign.flow_id,
    flowVersion: campaign.flow_version,
    optOutKey: null,
    machine: campaign.machine_detection,
  });
  const { flow, texts } = content;
  if (!speaks(flow, texts)) return null;
  const flows = flowsOf(content);
  const place = { tenantId, campaignId: campaign.id };
  const contacts = await listNextContacts(db, place, MOST_CHECKED, EVER_SECONDS);
  const problems = new Map<string, number>();
  for (const [i, contact] of contacts.entries()) {
    if (i % PER_TURN === PER_TURN - 1) await setImmediate();
    const problem = spokenOrWhy(flows, contact, (id) => texts.get(id) ?? null);
    if (typeof problem === 'string') problems.set(problem, (problems.get(problem) ?? 0) + 1);
  }
  return {
    checked: contacts.length,
    problems: [...problems].map(([problem, contacts]) => ({ problem, contacts })),
  };
}
