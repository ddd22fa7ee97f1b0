import { once } from 'node:events';
import type { ReadStream } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import type { importJob } from '../api/schemas/import.js';
import { CampanileError, messageOf } from '../errors.js';

export type ShownImport = z.output<typeof importJob>;

const POLL_MS = 500;

/** The part of the API that imports need. Throws a CampanileError with what the API answered. */
export function createImportClient(options: { url: string; token: string; tenant: string | undefined }) {
  const { url, token, tenant } = options;
  const headers = { Authorization: `Bearer ${token}` };
  const address = (path: string) =>
    `${url}${path}${tenant === undefined ? '' : `?tenant_id=${encodeURIComponent(tenant)}`}`;

  return {
    importUrl: (id: string) => address(`/v1/imports/${id}`),
    rejectedUrl: (id: string) => address(`/v1/imports/${id}/rejected`),

    /** Sends a file as fast as it is taken; `onSent` hears how many bytes went so far. */
    async upload(
      campaign: string,
      type: string,
      file: ReadStream,
      onSent: (bytes: number) => void,
    ): Promise<ShownImport> {
      const to = address(`/v1/campaigns/${encodeURIComponent(campaign)}/imports`);
      const request = (to.startsWith('https:') ? requestHttps : requestHttp)(to, {
        method: 'POST',
        headers: { ...headers, 'Content-Type': type },
      });
      const answered = new Promise<ShownImport>((resolve, reject) => {
        request.on('response', async (response) => {
          file.destroy(); // an answer before the end is a refusal
          const answer = await text(response).catch(() => '');
          request.destroy();
          if (response.statusCode === 201) resolve(JSON.parse(answer));
          else reject(refusal(response.statusCode ?? 0, answer));
        });
        request.on('error', (cause) =>
          reject(file.bytesRead > 0 ? lost(url, cause) : unreachable(url, cause)),
        );
        file.on('error', reject);
      });
      answered.catch(() => file.destroy());
      await Promise.race([send(file, request, onSent).catch(() => {}), answered]);
      return answered;
    },

    async untilOver(id: string): Promise<ShownImport> {
      for (;;) {
        const response = await fetch(address(`/v1/imports/${id}`), { headers }).catch((cause) => {
          throw unreachable(
            url,
            cause,
            `; the import may go on: ask ${address(`/v1/imports/${id}`)} how it ended`,
          );
        });
        const answer = await response.text();
        if (!response.ok) throw refusal(response.status, answer);
        const job = JSON.parse(answer) as ShownImport;
        if (job.finished_at !== null) return job;
        await sleep(POLL_MS);
      }
    },
  };
}

async function send(
  file: ReadStream,
  request: ReturnType<typeof requestHttp>,
  onSent: (bytes: number) => void,
): Promise<void> {
  let sent = 0;
  for await (const chunk of file) {
    if (!request.write(chunk)) await once(request, 'drain');
    sent += (chunk as Buffer).length;
    onSent(sent);
  }
  request.end();
}

function refusal(status: number, answer: string): CampanileError {
  let detail = answer;
  try {
    const problem = JSON.parse(answer);
    const errors: { message: string }[] = problem.errors ?? [];
    detail = errors.length > 0 ? errors.map(({ message }) => message).join('; ') : problem.detail;
  } catch {
    // not from our API: shown as it is
  }
  return new CampanileError('api_refused', `the API answered ${status}: ${detail}`);
}

function unreachable(url: string, cause: unknown, hint = ''): CampanileError {
  const message = `cannot reach the API at ${url}: ${messageOf(cause)}${hint}`;
  return new CampanileError('api_unreachable', message, { cause });
}

function lost(url: string, cause: unknown): CampanileError {
  const hint = 'nothing is stored of a list that was not sent whole: send it again';
  const message = `the connection to the API at ${url} was lost (${messageOf(cause)}); ${hint}`;
  return new CampanileError('api_unreachable', message, { cause });
}
