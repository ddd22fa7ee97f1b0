import pg from 'pg';
import type { Logger } from '../log.js';

/** A connection that hears NOTIFY. `start` resolves when it listens; `stop` when it has closed, and may be repeated. */
export interface Listener {
  start(): Promise<void>;
  stop(): Promise<void>;
}

const firstDelay = 100;
const longestDelay = 5000;

/**
 * Hears NOTIFY on `channels` and calls `onNotify(channel, payload)`; reconnects for as long as it takes.
 *
 * Events are hints, the sweep is the truth: what was notified while the connection was away is never heard. So after
 * each reconnect `onNotify` is called once for each channel with an empty payload, which means "look for yourself".
 */
export function listen(
  url: string,
  channels: readonly string[],
  onNotify: (channel: string, payload: string) => void,
  log: Logger,
): Listener {
  return new ListeningConnection(url, channels, onNotify, log);
}

class ListeningConnection implements Listener {
  #client: pg.Client | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;
  #wake: () => void = () => {};

  constructor(
    private readonly url: string,
    private readonly channels: readonly string[],
    private readonly onNotify: (channel: string, payload: string) => void,
    private readonly log: Logger,
  ) {}

  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#running ??= this.#run(resolve).finally(resolve);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#client?.end().catch(() => {});
    await this.#running;
  }

  async #run(onFirst: () => void): Promise<void> {
    let delay = firstDelay;
    for (let connected = 0; !this.#stopped; ) {
      try {
        const { ended } = await this.#connect();
        delay = firstDelay;
        connected += 1;
        if (connected === 1) onFirst();
        else for (const channel of this.channels) this.#notify(channel, '');
        await ended;
      } catch (error) {
        if (!this.#stopped)
          this.log.warn({ err: error, delay }, 'cannot listen to the database, trying again');
      }
      if (!this.#stopped) await this.#pause(delay);
      delay = Math.min(delay * 2, longestDelay);
    }
  }

  /** Connects and listens; throws when either fails. `ended` resolves when that connection is gone. */
  async #connect(): Promise<{ ended: Promise<void> }> {
    const client = new pg.Client({
      connectionString: this.url,
      application_name: 'campanile listen',
      connectionTimeoutMillis: 10_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    });
    this.#client = client;
    const ended = new Promise<void>((resolve) => client.once('end', resolve));
    client.on('error', (error) => this.log.warn({ err: error }, 'the listening connection broke'));
    client.on('notification', ({ channel, payload }) => this.#notify(channel, payload ?? ''));
    try {
      await client.connect();
      for (const channel of this.channels) await client.query(`LISTEN ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      await client.end().catch(() => {});
      throw error;
    }
    return { ended };
  }

  #notify(channel: string, payload: string): void {
    try {
      this.onNotify(channel, payload);
    } catch (error) {
      this.log.error({ err: error, channel }, 'handling a notification failed');
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
