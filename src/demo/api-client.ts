import type { z } from 'zod';
import type { attempt } from '../api/schemas/attempt.js';
import type { ShownCampaign } from '../api/schemas/campaign.js';
import type { contact } from '../api/schemas/contact.js';
import { CampanileError } from '../errors.js';

export type ShownAttempt = z.output<typeof attempt>;
export type ShownContact = z.output<typeof contact>;
export type { ShownCampaign };

/** The HTTP API as one of its users sees it: JSON (or audio) up, JSON down. */
export interface ApiClient {
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  put<T>(path: string, body: unknown): Promise<T>;
  /** Every item of a list, page after page; `after` is the id to begin behind. */
  list<T>(path: string, after?: string): Promise<T[]>;
}

const PAGE = 1000;

/** A client for the API at `baseUrl` with a token. Its methods throw a CampanileError with what the API answered. */
export function createApiClient(baseUrl: string, token: string): ApiClient {
  async function request<T>(method: string, path: string, body?: unknown): Promise<T> {
    const type = Buffer.isBuffer(body) ? 'audio/wav' : 'application/json';
    const response = await fetch(`${baseUrl}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'Content-Type': type }) },
      ...(body === undefined
        ? {}
        : { body: Buffer.isBuffer(body) ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const answer = await response.text();
    if (!response.ok) {
      throw new CampanileError(
        'api_refused',
        `${method} ${path} was answered with ${response.status}: ${answer}`,
      );
    }
    return JSON.parse(answer) as T;
  }

  return {
    get: (path) => request('GET', path),
    post: (path, body) => request('POST', path, body),
    put: (path, body) => request('PUT', path, body),
    async list<T>(path: string, after?: string) {
      const items: T[] = [];
      for (let from = after; ; ) {
        const query = `?limit=${PAGE}${from === undefined ? '' : `&after=${from}`}`;
        const page = await request<{ data: T[]; next: string | null }>('GET', `${path}${query}`);
        items.push(...page.data);
        if (page.next === null) return items;
        from = page.next;
      }
    },
  };
}
