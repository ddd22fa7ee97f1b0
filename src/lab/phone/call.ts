import { setTimeout as delay } from 'node:timers/promises';
import { FINAL_RESPONSES } from '../../calls/sip-responses.js';
import { now } from './clock.js';
import { Dialog } from './dialog.js';
import { Ear } from './ear.js';
import { Media, type MediaOptions } from './media.js';
import type { CallRecord } from './record.js';
import type { Script } from './script.js';
import { header, type SipMessage, userOf } from './sip.js';
import type { createSounds } from './sounds.js';
import { takeSteps } from './steps.js';

export interface CallOptions extends MediaOptions {
  invite: SipMessage;
  script: Script;
  /** 'host:port' of the phone. */
  address: string;
  sounds: ReturnType<typeof createSounds>;
  /** Longest that the phone stays after its answer. */
  limitMs: number;
  send(text: string): void;
  onEnd(): void;
}

/** The number dialled, in E.164 with its +. */
export function numberOf(invite: SipMessage): string {
  const user = userOf(invite.uri);
  return user.startsWith('+') ? user : `+${user}`;
}

/** One call that a phone takes: SIP, RTP, what its script says, and the record of it. */
export class Call {
  readonly #options: CallOptions;
  readonly #record: Omit<CallRecord, 'heard' | 'firstAudioAt'>;
  readonly #dialog: Dialog;
  readonly #over = new AbortController();
  #media: Media | null = null;

  constructor(options: CallOptions) {
    const { invite, address, send } = options;
    this.#options = options;
    this.#record = {
      callId: header(invite, 'call-id'),
      number: numberOf(invite),
      from: userOf(header(invite, 'from')),
      invitedAt: now(),
      ...{ answeredAt: null, confirmedAt: null, endedAt: null, endedBy: null, finalStatus: null },
      ...{ cancelled: false, pressed: [], stepsDoneAt: [] },
    };
    this.#dialog = new Dialog({
      ...{ invite, address, send },
      answerAgain: (sdp) => this.#media?.answer(sdp) ?? null,
      onAck: () => this.#talk(),
      onCancel: () => {
        this.#record.cancelled = true;
        this.#record.finalStatus = 487;
      },
      onEnd: (by) => this.#end(by),
    });
    this.#take().catch((error) => {
      if (!this.#over.signal.aborted) throw error;
    });
  }

  get ended(): boolean {
    return this.#record.endedAt !== null;
  }

  get number(): string {
    return this.#record.number;
  }

  receive(message: SipMessage): void {
    this.#dialog.receive(message);
  }

  /** The record as it stands now. */
  record(): CallRecord {
    const heard = (this.#media?.ear ?? new Ear()).heard();
    return { ...this.#record, firstAudioAt: heard.at[0] ?? null, heard };
  }

  /** Leaves without a word. */
  close(): void {
    this.#end('nobody');
  }

  async #take(): Promise<void> {
    const { invite, script } = this.#options;
    const media = await Media.open(invite.body, this.#options);
    this.#media = media;
    const sdp = media?.answer(invite.body);
    if (!media || !sdp) {
      this.#refuse(488);
      return;
    }
    if (this.ended) {
      media.close();
      return;
    }
    this.#dialog.ring();
    if (script.answer === false) return;
    if (script.ringMs) await delay(script.ringMs, undefined, { signal: this.#over.signal });
    if (script.status) {
      this.#refuse(script.status);
      return;
    }
    this.#record.answeredAt = now();
    this.#record.finalStatus = 200;
    this.#dialog.answer(sdp);
  }

  #refuse(status: number): void {
    this.#dialog.refuse(`${status} ${FINAL_RESPONSES[status] ?? 'No'}`);
    this.#record.finalStatus = status;
    this.#end('phone');
  }

  #talk(): void {
    this.#record.confirmedAt = now();
    const { script, sounds, limitMs } = this.#options;
    const limit = setTimeout(() => {
      this.#record.endedBy = 'limit';
      this.#dialog.hangUp();
    }, limitMs);
    this.#over.signal.addEventListener('abort', () => clearTimeout(limit));
    const { pressed, stepsDoneAt } = this.#record;
    takeSteps(script.steps ?? [], {
      ear: this.#media!.ear,
      mouth: this.#media!.mouth,
      sounds,
      over: this.#over.signal,
      hangUp: () => this.#dialog.hangUp(),
      onKey: (key) => pressed.push({ key, at: now() }),
      onStepDone: () => stepsDoneAt.push(now()),
    });
  }

  #end(by: 'caller' | 'phone' | 'nobody'): void {
    if (this.ended) return;
    this.#record.endedAt = now();
    this.#record.endedBy ??= by;
    this.#media?.close();
    this.#over.abort();
    this.#options.onEnd();
  }
}
