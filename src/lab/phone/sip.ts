/**
 * SIP over UDP as RFC 3261 writes it: text in, a message out, and back.
 *
 *   INVITE sip:+12125550100@127.0.0.1:5070 SIP/2.0    or    SIP/2.0 200 OK
 *   Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK...
 *   ...
 *   (empty line, body)
 */
export interface SipMessage {
  /** null in a response. */
  method: string | null;
  uri: string;
  /** 0 in a request. */
  status: number;
  /** By name in lower case, long form; each line a value, in order. */
  headers: ReadonlyMap<string, readonly string[]>;
  body: string;
}

/** Reads one datagram; null for what is no SIP message (the CR LF of a keep-alive, for example). */
export function parseSip(text: string): SipMessage | null {
  const end = text.indexOf('\r\n\r\n');
  if (end === -1) return null;
  // RFC 3261, 7.3.1: a line that begins with white space goes on with the one before.
  const [start = '', ...lines] = text
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n');
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return null;
    const written = line.slice(0, colon).trim().toLowerCase();
    const name = COMPACT[written] ?? written;
    const values = headers.get(name) ?? [];
    values.push(line.slice(colon + 1).trim());
    headers.set(name, values);
  }
  const body = text.slice(end + 4);
  const response = /^SIP\/2\.0 (\d{3}) /.exec(start);
  if (response) return { method: null, uri: '', status: Number(response[1]), headers, body };
  const request = /^([A-Z]+) (\S+) SIP\/2\.0$/.exec(start);
  return request ? { method: request[1]!, uri: request[2]!, status: 0, headers, body } : null;
}

const COMPACT: Record<string, string> = {
  v: 'via',
  f: 'from',
  t: 'to',
  i: 'call-id',
  m: 'contact',
  l: 'content-length',
  c: 'content-type',
};

/** The first value of a header, '' where there is none. */
export function header(message: SipMessage, name: string): string {
  return message.headers.get(name)?.[0] ?? '';
}

/** The branch of the topmost Via, which names the transaction (RFC 3261, 17.2.3); a CANCEL has its INVITE's. */
export function branchOf(message: SipMessage): string {
  return /;\s*branch=([^;,\s]+)/i.exec(header(message, 'via'))?.[1] ?? '';
}

/** The user part of a URI, or of a header such as From that holds one. */
export function userOf(text: string): string {
  return /sips?:([^@;>\s]*)@/.exec(text)?.[1] ?? '';
}

/** The URI in a header such as Contact. */
export function uriOf(text: string): string {
  return /<([^>]*)>/.exec(text)?.[1] ?? text.split(';')[0]!.trim();
}

/** What stands in a message of ours besides its start line. */
export interface Content {
  headers?: readonly string[];
  /** SDP. */
  body?: string;
}

/**
 * A response to `request`: `status` is '180 Ringing', `tag` ours in To, which a 100 has none of (RFC 3261, 8.2.6).
 */
export function renderResponse(
  request: SipMessage,
  status: string,
  tag: string,
  content: Content = {},
): string {
  const to = header(request, 'to');
  const tagged = tag === '' || /;\s*tag=/i.test(to) ? to : `${to};tag=${tag}`;
  const lines = [
    `SIP/2.0 ${status}`,
    ...(request.headers.get('via') ?? []).map((via) => `Via: ${via}`),
    `From: ${header(request, 'from')}`,
    `To: ${tagged}`,
    `Call-ID: ${header(request, 'call-id')}`,
    `CSeq: ${header(request, 'cseq')}`,
  ];
  return withContent(lines, content);
}

/** The lines of a message, its content behind them. */
export function withContent(lines: readonly string[], { headers = [], body = '' }: Content): string {
  const type = body === '' ? [] : ['Content-Type: application/sdp'];
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  return `${[...lines, ...headers, ...type, length].join('\r\n')}\r\n\r\n${body}`;
}
