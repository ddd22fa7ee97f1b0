import type { HeardPackets } from './ear.js';

/** What a phone keeps of one call. Times are milliseconds since 1970, by the clock that Date.now() reads too, with fractions. */
export interface CallRecord {
  /** The SIP Call-ID. */
  callId: string;
  /** The number dialled in E.164 with its +. */
  number: string;
  /** The caller id: the user part of From. */
  from: string;
  invitedAt: number;
  /** When our 200 OK left; null when it was not answered. */
  answeredAt: number | null;
  /** When its ACK arrived. */
  confirmedAt: number | null;
  /** When the first audio packet arrived. */
  firstAudioAt: number | null;
  /** null while the call is going on. */
  endedAt: number | null;
  /** Who hung up; 'nobody': what the phone sent was never confirmed; 'limit': the phone, because the call lasted too long. */
  endedBy: 'caller' | 'phone' | 'nobody' | 'limit' | null;
  /** The final response: 200 when answered, 487 when cancelled; null when there was none (yet). */
  finalStatus: number | null;
  cancelled: boolean;
  /** Keys with the time when the first packet of each left. */
  pressed: { key: string; at: number }[];
  /** When each step of the script was over. */
  stepsDoneAt: number[];
  heard: HeardPackets;
}
