/** Who ended the call: the far end, our own dialplan after the message, or the PBX (WaitTime, trunk, shutdown). */
export type HungUpBy = 'callee' | 'campanile' | 'pbx';

/** What the hangup handler tells of a call, over FastAGI `/hangup` or, when that cannot be reached, in a file. */
export interface HangupReport {
  hangupCause: number | null;
  /** The last SIP status of the far end; 0 when a SIP channel never got any; null on channels that are not SIP. */
  sipStatus: number | null;
  dialStatus: string | null;
  hungUpBy: HungUpBy;
  /** Seconds from the start of the call to the answer, or to the end of a call that nobody answered. */
  ringSeconds: number;
  /** Seconds from the answer to the end; 0 when nobody answered. */
  talkSeconds: number;
}

/**
 * Reads the values that `[campanile-hangup]` of `dialplan/campanile.conf` passes, in its order: HANGUPCAUSE, the SIP
 * status, DIALSTATUS, the far channel's name, CHANNEL(hangupsource), seconds in all, CDR(billsec,f). A value that is
 * missing or not what it should be becomes null or 0: the rest of the report still counts.
 */
export function parseReport(values: readonly (string | undefined)[]): HangupReport {
  const [cause, sip, dialStatus, channel, source, duration, billed] = values;
  const total = decimal(duration);
  const talk = Math.min(decimal(billed), total);
  const sipStatus = integer(sip) ?? (/^(PJ)?SIP\//.test(channel ?? '') ? 0 : null);
  return {
    hangupCause: integer(cause),
    sipStatus,
    dialStatus: dialStatus && /^[A-Z]{1,16}$/.test(dialStatus) ? dialStatus : null,
    hungUpBy: hungUpBy({ channel, source, sipStatus, answered: talk > 0, routed: Boolean(dialStatus) }),
    ringSeconds: Math.max(0, total - talk),
    talkSeconds: talk,
  };
}

/** What Asterisk calls a channel: `PJSIP/carrier-0000001a`, `Local/7@context-00000003;1`. */
const CHANNEL = /^\w+\/.+-[0-9a-f]{8}(?:;[12])?$/;

/**
 * The hangup source is the channel or application that hung up. The half of a routed call that reports has none when
 * the other half hung up, where our dialplan is; after a refusal it is the admin's dialplan that hangs up.
 */
function hungUpBy(call: {
  channel: string | undefined;
  source: string | undefined;
  sipStatus: number | null;
  answered: boolean;
  routed: boolean;
}): HungUpBy {
  const { channel, source = '', sipStatus, answered, routed } = call;
  if ((source !== '' && source === channel) || (sipStatus ?? 0) >= 300) return 'callee';
  // Where it was transferred to: the other end of that hung up, and then the flow was over.
  const other = !routed && CHANNEL.test(source);
  const ours = source.startsWith('dialplan') || other || (routed && source === '');
  return answered && ours ? 'campanile' : 'pbx';
}

function integer(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,4}$/.test(text) ? Number(text) : null;
}

function decimal(text: string | undefined): number {
  return text !== undefined && /^\d{1,9}(\.\d{1,9})?$/.test(text) ? Number(text) : 0;
}

/** A report as log lines have it (docs/logs.md). */
export function hangupNames(report: HangupReport) {
  const { hangupCause: cause, sipStatus: sip_status, hungUpBy: hung_up_by } = report;
  return {
    cause,
    sip_status,
    hung_up_by,
    ring_seconds: report.ringSeconds,
    talk_seconds: report.talkSeconds,
  };
}
