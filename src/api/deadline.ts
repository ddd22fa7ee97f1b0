import type { IncomingMessage } from 'node:http';

const timers = new WeakMap<IncomingMessage, NodeJS.Timeout>();

/** Calls `onLate` when the request has not arrived whole within `ms`. */
export function setDeadline(req: IncomingMessage, ms: number, onLate: () => void): void {
  const timer = setTimeout(() => {
    if (!req.complete && !req.destroyed) onLate();
  }, ms);
  timers.set(req, timer);
  req.once('close', () => clearTimeout(timer));
}

/** Lets a request take its time: for bodies of any length, whose reader minds that they do not stall. */
export function liftDeadline(req: IncomingMessage): void {
  clearTimeout(timers.get(req));
}
