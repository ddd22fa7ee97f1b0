const SDP = `v=0
o=far 1 1 IN IP4 [media_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
`;

/** A response to the message received last. `tag`: ours is added to To, unless the caller sent it already. */
export function response(
  status: string,
  { sdp = false, tag = true, cseq = '[last_CSeq:]', header = 'Contact: <sip:[local_ip]:[local_port]>' } = {},
): string {
  return `SIP/2.0 ${status}
[last_Via:]
[last_From:]
[last_To:]${tag ? ';tag=far[call_number]' : ''}
[last_Call-ID:]
${cseq}
${header}
${sdp ? 'Content-Type: application/sdp\n' : ''}Content-Length: [len]

${sdp ? SDP : ''}`;
}

interface Step {
  next?: string;
  /** What the log gets when the step is done. */
  log?: string;
}

/** A step that sends `message`; `repeat`: until it is acknowledged. */
export function send(
  message: string,
  { next, log: event, repeat = false }: Step & { repeat?: boolean } = {},
): string {
  const attributes = `${repeat ? ' retrans="500"' : ''}${next ? ` next="${next}"` : ''}`;
  return `<send${attributes}><![CDATA[\n${message}]]>${action(event)}</send>`;
}

/** A step that waits for a request; an optional one is passed over when another comes that a later step waits for. */
export function receive(
  request: string,
  step: Step & { optional?: true; timeout?: number; ontimeout?: string } = {},
): string {
  const { log: event, ...attributes } = step;
  const written = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
  return `<recv request="${request}"${written.join('')}>${action(event)}</recv>`;
}

export function jump(next: string): string {
  return `<nop next="${next}"/>`;
}

export function label(id: string): string {
  return `<label id="${id}"/>`;
}

function action(event: string | undefined): string {
  return event ? `<action>${log(event)}</action>` : '';
}

/** The action that writes a line which `far-end-log.ts` reads. */
export function log(event: string): string {
  return `<log message="[timestamp] [call_id] ${event}"/>`;
}
