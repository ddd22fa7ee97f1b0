import pg from 'pg';

/** Hears what the API notifies. */
export interface Notifications {
  /** What was notified since the last call, as `channel payload`. All of it: a mark that is sent last comes last. */
  take(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function hearNotifications(url: string): Promise<Notifications> {
  const client = new pg.Client({ connectionString: url });
  let heard: string[] = [];
  let onMark = () => {};
  client.on('notification', ({ channel, payload }) => {
    if (channel === 'mark') onMark();
    else heard.push(`${channel} ${payload}`.trim());
  });
  await client.connect();
  for (const channel of ['campanile_due', 'campanile_cancelled', 'mark'])
    await client.query(`LISTEN ${channel}`);
  return {
    async take() {
      const marked = new Promise<void>((resolve) => {
        onMark = resolve;
      });
      await client.query('NOTIFY mark');
      await marked;
      const taken = heard;
      heard = [];
      return taken;
    },
    stop: () => client.end(),
  };
}
