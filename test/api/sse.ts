import { streamEvent } from '../../src/api/schemas/event.js';
import { until } from '../../src/lab/condition.js';

export interface SseEvent {
  id: string | undefined;
  type: string;
  // biome-ignore lint/suspicious/noExplicitAny: data of every type; each was held against its schema
  data: any;
}

/** A client of a stream, which reads until it is closed or the server ends it. */
export interface SseClient {
  readonly response: Response;
  /** Held against the schema, in the order in which they came. */
  readonly events: SseEvent[];
  /** All that came, as it came. */
  readonly text: () => string;
  /** Resolves when the stream is over, whoever ended it. */
  readonly over: Promise<void>;
  /** Resolves when that holds for what came. */
  wait(condition: (events: readonly SseEvent[]) => boolean): Promise<void>;
  close(): Promise<void>;
}

export async function openSse(url: string, token: string, lastEventId?: string): Promise<SseClient> {
  const closing = new AbortController();
  const response = await fetch(url, {
    headers: {
      Authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'Last-Event-ID': lastEventId }),
    },
    signal: closing.signal,
  });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  const events: SseEvent[] = [];
  let text = '';
  let parsed = 0;
  const read = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      for (let end = text.indexOf('\n\n', parsed); end >= 0; end = text.indexOf('\n\n', parsed)) {
        const event = parse(text.slice(parsed, end));
        if (event) events.push(event);
        parsed = end + 2;
      }
    }
  };
  const over = read().catch(() => {});
  return {
    response,
    events,
    text: () => text,
    over,
    async wait(condition) {
      if (await until(() => condition(events), { timeoutMs: 15_000 })) return;
      throw new Error(`what was waited for did not come, but: ${text.slice(-2000)}`);
    },
    async close() {
      closing.abort();
      await over;
    },
  };
}

function parse(block: string): SseEvent | null {
  const fields = new Map(
    block.split('\n').map((line) => [line.split(': ')[0], line.slice(line.indexOf(': ') + 2)]),
  );
  const type = fields.get('event');
  if (type === undefined) return null;
  const body = streamEvent.parse(JSON.parse(fields.get('data')!));
  if (body.type !== type) throw new Error(`${type} is not ${body.type}`);
  return { id: fields.get('id'), type, data: body.data };
}
