import type { CodecName } from './codec.js';

/** What a caller offers (RFC 4566, RFC 3264): where its audio is to be sent, and as what. */
export interface Offer {
  address: string;
  port: number;
  /** Payload type by encoding name and clock rate: 'PCMU/8000' to 0. */
  payloadTypes: ReadonlyMap<string, number>;
}

// RFC 3551, table 4: these need no rtpmap. G.722's clock rate is 8000 there although it samples at 16000.
const STATIC = new Map([
  [0, 'PCMU/8000'],
  [8, 'PCMA/8000'],
  [9, 'G722/8000'],
]);
const EVENTS = 'TELEPHONE-EVENT/8000';

/** Reads the first audio stream of a session description; null where there is none. */
export function parseOffer(sdp: string): Offer | null {
  const lines = sdp.split(/\r?\n/);
  const media = lines.findIndex((line) => line.startsWith('m=audio '));
  if (media === -1) return null;
  const [, port, , ...formats] = lines[media]!.split(' ');
  const next = lines.findIndex((line, i) => i > media && line.startsWith('m='));
  const own = lines.slice(media, next === -1 ? undefined : next);
  const isConnection = (line: string) => line.startsWith('c=IN IP4 ');
  const connection = own.find(isConnection) ?? lines.find(isConnection);
  if (!connection) return null;
  const names = new Map(STATIC);
  for (const line of own) {
    const [, type, name] = /^a=rtpmap:(\d+) ([^/]+\/\d+)/.exec(line) ?? [];
    if (type && name) names.set(Number(type), name.toUpperCase());
  }
  const payloadTypes = new Map<string, number>();
  for (const format of formats.map(Number)) {
    const name = names.get(format);
    if (name && !payloadTypes.has(name)) payloadTypes.set(name, format);
  }
  return { address: connection.slice('c=IN IP4 '.length).trim(), port: Number(port), payloadTypes };
}

/** Payload types of the two that a phone speaks. */
export interface Agreed {
  audio: number;
  /** Of keys; null where the caller takes none. */
  keys: number | null;
}

/** What a phone with `codec` and the caller have in common; null when that is nothing. */
export function agree(offer: Offer, codec: CodecName): Agreed | null {
  const audio = offer.payloadTypes.get(`${codec}/8000`);
  if (audio === undefined) return null;
  return { audio, keys: offer.payloadTypes.get(EVENTS) ?? null };
}

/** The answer: the phone's port of 127.0.0.1, its codec, and keys. */
export function renderAnswer(port: number, codec: CodecName, { audio, keys }: Agreed): string {
  const events = keys === null ? [] : [`a=rtpmap:${keys} telephone-event/8000`, `a=fmtp:${keys} 0-15`];
  const lines = [
    ...['v=0', 'o=phone 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0'],
    `m=audio ${port} RTP/AVP ${audio}${keys === null ? '' : ` ${keys}`}`,
    ...[`a=rtpmap:${audio} ${codec}/8000`, ...events, 'a=ptime:20', 'a=sendrecv'],
  ];
  return `${lines.join('\r\n')}\r\n`;
}
