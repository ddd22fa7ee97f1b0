import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import type { z } from 'zod';
import type { importJob } from '../../src/api/schemas/import.js';
import type { ApiFixture, Reply } from './client.js';
import type { TenantOnApi } from './fixtures.js';

export type Job = z.output<typeof importJob>;

/** Imports into one campaign, as a tenant sees them. */
export interface Importing {
  /** Each resolves with the job when it is over. */
  csv(text: string): Promise<Job>;
  ndjson(text: string): Promise<Job>;
  pieces(type: string, pieces: readonly (string | Buffer)[]): Promise<Job>;
  /** Sends a body in pieces, each in a packet of its own, and resolves with the answer. */
  send(type: string, pieces: readonly (string | Buffer)[]): Promise<Pick<Reply, 'status' | 'json'>>;
  /** Begins an upload that the caller goes on with. */
  begin(type: string): ReturnType<typeof request>;
  untilOver(jobId: string): Promise<Job>;
  jobs(): Promise<Job[]>;
  rejected(jobId: string): Promise<string>;
  /** What is in the campaign, in the order in which it is called. */
  stored(): Promise<{ number: string; time_zone: string | null; fields: Record<string, unknown> }[]>;
}

export function importing(api: ApiFixture, { token }: TenantOnApi, campaignId: string): Importing {
  const begin = (type: string) =>
    request(`${api.url}/v1/campaigns/${campaignId}/imports?name=list`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': type },
    });

  async function send(type: string, pieces: readonly (string | Buffer)[]) {
    const upload = begin(type);
    const answered = new Promise<Pick<Reply, 'status' | 'json'>>((resolve, reject) => {
      upload.on('error', reject);
      upload.on('response', async (response) => {
        resolve({ status: response.statusCode ?? 0, json: JSON.parse(await text(response)) });
      });
    });
    for (const [i, piece] of pieces.entries()) {
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, 20));
      upload.write(piece);
    }
    upload.end();
    return answered;
  }

  async function untilOver(jobId: string): Promise<Job> {
    const show = async () => (await api.send('GET', `/v1/imports/${jobId}`, { token })).json as Job;
    await expect
      .poll(async () => (await show()).finished_at, { timeout: 20_000, interval: 10 })
      .not.toBeNull();
    return show();
  }

  async function pieces(type: string, parts: readonly (string | Buffer)[]): Promise<Job> {
    const { status, json } = await send(type, parts);
    expect(json).toMatchObject({ name: 'list', campaign_id: campaignId });
    expect(status).toBe(201);
    return untilOver(json.id);
  }

  return {
    csv: (body) => pieces('text/csv', [body]),
    ndjson: (body) => pieces('application/x-ndjson', [body]),
    pieces,
    send,
    begin,
    untilOver,
    jobs: async () =>
      (await api.send('GET', `/v1/campaigns/${campaignId}/imports`, { token })).json.data as Job[],
    rejected: async (jobId) =>
      (await api.send('GET', `/v1/imports/${jobId}/rejected`, { token })).bytes.toString(),
    async stored() {
      const { rows } = await api.db.pool.query(
        'SELECT number, time_zone, fields FROM contacts WHERE campaign_id = $1 ORDER BY id',
        [campaignId],
      );
      return rows;
    },
  };
}
