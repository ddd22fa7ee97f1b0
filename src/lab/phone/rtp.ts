/*
 * RTP packets (RFC 3550, 5.1) without sockets, read and written in place.
 *
 *   byte 0: version 2, padding, extension, number of CSRCs    1: marker, payload type
 *   2: sequence number    4: timestamp    8: SSRC    12: CSRCs, extension, payload
 */
export const RTP_HEADER_BYTES = 12;

/** Samples, and with our codecs bytes, of the 20 ms that a packet holds. */
export const PACKET_SAMPLES = 160;
export const PACKET_MS = 20;

/** Fields of the packet read last: one object for all packets, so that reading makes no garbage. */
export interface RtpFields {
  payloadType: number;
  marker: boolean;
  sequence: number;
  timestamp: number;
  /** Where the payload begins and ends. */
  start: number;
  end: number;
}

/** Reads a packet into `fields`; false for what is none. */
export function readRtp(packet: Buffer, fields: RtpFields): boolean {
  if (packet.length < RTP_HEADER_BYTES || packet[0]! >> 6 !== 2) return false;
  const first = packet[0]!;
  let start = RTP_HEADER_BYTES + 4 * (first & 0x0f);
  if (first & 0x10) {
    if (packet.length < start + 4) return false;
    start += 4 + 4 * packet.readUInt16BE(start + 2);
  }
  const end = first & 0x20 ? packet.length - packet[packet.length - 1]! : packet.length;
  if (end < start) return false;
  fields.payloadType = packet[1]! & 0x7f;
  fields.marker = packet[1]! > 0x7f;
  fields.sequence = packet.readUInt16BE(2);
  fields.timestamp = packet.readUInt32BE(4);
  fields.start = start;
  fields.end = end;
  return true;
}

/** Writes the header of a packet whose payload stands behind it. */
export function writeRtpHeader(
  packet: Buffer,
  fields: { payloadType: number; marker: boolean; sequence: number; timestamp: number; ssrc: number },
): void {
  packet[0] = 0x80;
  packet[1] = (fields.marker ? 0x80 : 0) | fields.payloadType;
  packet.writeUInt16BE(fields.sequence & 0xffff, 2);
  packet.writeUInt32BE(fields.timestamp >>> 0, 4);
  packet.writeUInt32BE(fields.ssrc >>> 0, 8);
}

/** Event codes of RFC 4733, 3.2: the index is the code. */
export const KEYS = '0123456789*#ABCD';
export const EVENT_BYTES = 4;
const VOLUME = 10;

/**
 * Writes the payload of a key event (RFC 4733, 2.3) at `offset`: event, end bit and volume (10 for -10 dBm0), duration so
 * far in samples.
 */
export function writeKeyEvent(
  packet: Buffer,
  offset: number,
  event: { key: string; ended: boolean; duration: number },
): void {
  packet[offset] = KEYS.indexOf(event.key);
  packet[offset + 1] = (event.ended ? 0x80 : 0) | VOLUME;
  packet.writeUInt16BE(Math.min(event.duration, 0xffff), offset + 2);
}
