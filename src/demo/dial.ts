import { setTimeout as delay } from 'node:timers/promises';
import type { Terminal } from '../terminal.js';
import type { ApiClient } from './api-client.js';
import { openPanel } from './panel.js';
import { renderLine, renderPanel } from './progress.js';
import { type Snapshot, watchCampaign } from './watch.js';

export interface Dialling {
  api: ApiClient;
  /** `/v1/campaigns/<id>` */
  path: string;
  ports: number;
  terminal: Terminal;
  signal: AbortSignal;
}

const LOOK_MS = 250;
const LINE_MS = 2_000;
/** No call of the demo, and no pause between two, takes nearly as long. */
const STILL_MS = 60_000;

/**
 * Starts the campaign and shows how it goes until it is completed. Returns null then, or a sentence when nothing
 * happened for so long that nothing more will. Throws the signal's reason when it is aborted.
 */
export async function dial({ api, path, ports, terminal, signal }: Dialling): Promise<string | null> {
  const look = watchCampaign(api, path);
  const since = performance.now();
  await api.post(`${path}/start`);
  const show = terminal.live ? showLive(terminal, ports) : showLines(terminal, ports);
  let changedAt = since;
  let before = '';
  try {
    for (;;) {
      const snapshot = await look();
      const now = performance.now();
      show.draw(snapshot, (now - since) / 1000);
      if (snapshot.campaign.status === 'completed') return null;
      const { attempts, contacts } = snapshot.campaign;
      const state = JSON.stringify([attempts, contacts]);
      if (state !== before) changedAt = now;
      before = state;
      if (now - changedAt > STILL_MS)
        return `the campaign stood still for ${STILL_MS / 1000} s, and was given up`;
      // Rejects with an AbortError of its own; the reason says why.
      await delay(LOOK_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
    }
  } finally {
    show.close();
  }
}

interface Show {
  draw(snapshot: Snapshot, seconds: number): void;
  close(): void;
}

function showLive(terminal: Terminal, ports: number): Show {
  const panel = openPanel(terminal);
  return {
    draw: (snapshot, seconds) => panel.draw(renderPanel(snapshot, { ports, seconds, terminal })),
    close: () => panel.close('keep'),
  };
}

function showLines(terminal: Terminal, ports: number): Show {
  let lastAt = 0;
  return {
    draw(snapshot, seconds) {
      const over = snapshot.campaign.status === 'completed';
      if (!over && performance.now() - lastAt < LINE_MS) return;
      lastAt = performance.now();
      terminal.write(`${renderLine(snapshot, ports, seconds)}\n`);
    },
    close() {},
  };
}
