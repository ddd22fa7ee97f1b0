import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** How long a client may take nothing of an answer that is ready. */
export const STALLED_MS = 60_000;
/** How long it may take to close a connection that was told to close. */
const LINGER_MS = 5000;

type Answer = (req: IncomingMessage, res: ServerResponse) => Promise<unknown>;

/**
 * `answer` for one request of a connection at a time, in their order: who sends many at once and reads none has one answer in our
 * memory, not all. A connection of which `stalledMs` nothing was taken is closed.
 */
export function oneAtATime(answer: Answer, stalledMs: number): (...of: Parameters<Answer>) => void {
  const last = new WeakMap<Duplex, Promise<unknown>>();
  return async (req, res) => {
    const { socket } = req;
    const turn = last.get(socket);
    last.set(socket, new Promise((resolve) => res.once('close', resolve)));
    await turn;
    await answer(req, res);
    if (!res.writableFinished) res.setTimeout(stalledMs, () => socket.destroy());
  };
}

/** Says a last word and closes; who does not close his end, or does not read, is cut off. */
export function closeWith(socket: Duplex, text: string): void {
  socket.end(text);
  const late = setTimeout(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => clearTimeout(late));
}
