import { FlowOver } from '../../calls/flow/way.js';
import type { AgiSession } from '../session.js';

/** What is waited for; throws FlowOver when the call ends before it is there. */
export async function beforeHangup<T>(session: AgiSession, work: Promise<T>): Promise<T> {
  let forget = () => {};
  const over = new Promise<never>((_, reject) => {
    forget = session.onHangup(() => reject(new FlowOver()));
  });
  try {
    return await Promise.race([work, over]);
  } finally {
    forget();
  }
}
