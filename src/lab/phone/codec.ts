import { ALAW, type Law, ULAW } from './g711.js';
import { G722 } from './g722.js';

/** Encoding names of RTP (RFC 3551). */
export type CodecName = 'PCMU' | 'PCMA' | 'G722';

/** A codec of 8,000 bytes a second; on the linear side 8 kHz, 16 bit. */
export function codecOf(name: CodecName): Law {
  return CODECS[name];
}

const CODECS: Record<CodecName, Law> = { PCMU: ULAW, PCMA: ALAW, G722 };
