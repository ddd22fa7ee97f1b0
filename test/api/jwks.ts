import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A key of an issuer: what it signs with, and what it publishes. */
export interface IssuerKey {
  kid: string;
  alg: 'RS256' | 'ES256';
  privateKey: KeyObject;
  publicKey: KeyObject;
}

export function createKey(kid: string, alg: 'RS256' | 'ES256'): IssuerKey {
  const pair =
    alg === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { kid, alg, ...pair };
}

/** An issuer's place of keys on a real socket. */
export interface JwksServer {
  url: string;
  /** What it publishes from now on. */
  publish(...keys: IssuerKey[]): void;
  /** What it answers with from now on; 200 is the keys. */
  answerWith(status: number): void;
  /** How often it was asked. */
  asked(): number;
  stop(): Promise<void>;
}

export async function startJwksServer(...keys: IssuerKey[]): Promise<JwksServer> {
  let published = keys;
  let status = 200;
  let asked = 0;
  const server = createServer((_, response) => {
    asked += 1;
    const jwks = published.map(({ kid, alg, publicKey }) => ({
      ...publicKey.export({ format: 'jwk' }),
      kid,
      alg,
      use: 'sig',
    }));
    response.writeHead(status, { 'Content-Type': 'application/json', Location: '/elsewhere' });
    response.end(JSON.stringify({ keys: jwks }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    publish: (...next) => {
      published = next;
    },
    answerWith: (next) => {
      status = next;
    },
    asked: () => asked,
    stop: async () => {
      server.closeAllConnections();
      if (server.listening) await new Promise((resolve) => server.close(resolve));
    },
  };
}
