import { rm } from 'node:fs/promises';
import type { Recordings } from '../agi/flow/record.js';
import type { InboundCall } from '../agi/scripts/inbound.js';
import { readingsOf } from '../calls/called-back.js';
import type { Content, ContentRef } from '../db/content.js';
import {
  type CalledBack,
  endInboundCall,
  findCalledBack,
  insertInboundCall,
  listRegions,
} from '../db/inbound-calls.js';
import { newId } from '../ids.js';
import type { Speech } from '../messages/speech/speech.js';
import { type AnsweredCallOptions, answeredCall } from './answered-call.js';
import type { Contents } from './contents.js';
import { spokenTo } from './ready-calls.js';

export interface InboundOptions extends AnsweredCallOptions {
  contents: Contents;
  speech: Pick<Speech, 'ready' | 'prepare'>;
}

/** Texts are spoken while it rings; who has waited so long is passed on. */
const MOST_RINGING_MS = 10_000;

/** Finds what is said to whoever calls back. */
export function createInbound(options: InboundOptions) {
  const { pool, log } = options;
  return async (caller: string, called: string): Promise<InboundCall | null> => {
    const regions = await listRegions(pool);
    const [callers, numbers] = [caller, called].map((text) => readingsOf(text, regions)) as [[], []];
    if (callers.length === 0) return null;
    const found = await findCalledBack(pool, callers, numbers);
    if (!found) return null;
    const content = await contentFor(found, options.contents);
    if (!(await isAtHand(found, content, options))) return null;
    const id = newId();
    const callId = `${found.tenantId}.${id}`;
    const recorded = insertInboundCall(pool, id, found, called);
    const about = { tenant: found.tenantId, campaign: found.campaignId, inbound_call: id };
    const callLog = log.child(about);
    callLog.debug('call back taken');
    recorded.catch((error) => callLog.error({ err: error }, 'cannot write down a call back'));
    const call = { ...found, callId, content, texts: [] };
    return {
      ...answeredCall(call, { ...options, log: callLog }),
      ...reachingNobody(options.recordings.of(callId)),
      passesOn: found.inboundMessageId !== null || found.content.flowId === null,
      async end(end) {
        await recorded;
        await endInboundCall(pool, found.tenantId, id, end);
      },
    };
  };
}

/** Recordings and transfers are of attempts: in a call back nothing is kept of what is said, and nobody is connected. */
function reachingNobody(recordings: Recordings): Pick<InboundCall, 'recordings' | 'transfers'> {
  return {
    recordings: {
      pathFor: recordings.pathFor,
      async keep(path) {
        await rm(`${path}.wav`, { force: true });
        return { id: null, seconds: 0 };
      },
    },
    transfers: {
      begin: async () => 'failed',
      end: () => Promise.reject(new Error('a call back is not transferred')),
      whenTold: async () => null,
    },
  };
}

/** What the campaign says to callers: its own message for them, else what it said in the call that is called back. */
async function contentFor({ content, inboundMessageId }: CalledBack, contents: Contents): Promise<Content> {
  const own = await contents.get(content);
  if (inboundMessageId === null) return own;
  const ref: ContentRef = {
    ...content,
    messageId: inboundMessageId,
    flowId: null,
    flowVersion: null,
    // Whoever calls back opts out by the key that he knows.
    optOutKey: own.flow.opt_out_key as ContentRef['optOutKey'],
  };
  return contents.get(ref);
}

/** Has its sounds on this node and its texts spoken; false when that cannot be, or takes too long. */
async function isAtHand(
  call: CalledBack,
  content: Content,
  { sounds, speech, log }: InboundOptions,
): Promise<boolean> {
  for (const { sha256 } of content.sounds.values()) await sounds.ensure(call.tenantId, sha256);
  const texts = spokenTo(call, content);
  if (typeof texts === 'string') {
    log.warn(
      { tenant: call.tenantId, campaign: call.campaignId, reason: texts },
      'cannot speak to whoever calls back',
    );
    return false;
  }
  if (texts.length === 0 || speech.ready(call.tenantId, texts)) return true;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), MOST_RINGING_MS);
  });
  const spoken = speech.prepare(call.tenantId, texts).then(
    () => true,
    (error) => {
      log.warn(
        { tenant: call.tenantId, campaign: call.campaignId, err: error },
        'cannot speak to whoever calls back',
      );
      return false;
    },
  );
  const inTime = await Promise.race([spoken, late]);
  clearTimeout(timer);
  return inTime;
}
