import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { BACKOFF_SECONDS, nextAttemptIn, parseRetryAfter } from '../../src/events/webhooks/backoff.js';
import { publicLookup, type Resolve } from '../../src/events/webhooks/lookup.js';
import { post } from '../../src/events/webhooks/post.js';
import { isPrivateAddress } from '../../src/private-address.js';

describe('the backoff', () => {
  it('takes a day in all, spreads what failed together, and ends', () => {
    const sum = (random: number) =>
      BACKOFF_SECONDS.reduce((all, _, i) => all + nextAttemptIn(i + 1, BACKOFF_SECONDS, null, random)!, 0);
    expect(Math.abs(sum(0.5) / 3600 - 24)).toBeLessThan(1);
    expect(sum(1)).toBeGreaterThan(sum(0));
    expect(nextAttemptIn(BACKOFF_SECONDS.length + 1, BACKOFF_SECONDS, null, 0.5)).toBeNull();
  });

  it('is made longer by Retry-After, a number or a date, up to a day, and never shorter', () => {
    const now = new Date('2026-11-22T12:00:00Z');
    expect(nextAttemptIn(1, [5], parseRetryAfter('120', now), 0.5)).toBe(120);
    expect(nextAttemptIn(1, [5], parseRetryAfter('Sun, 22 Nov 2026 12:01:00 GMT', now), 0.5)).toBe(60);
    expect(nextAttemptIn(1, [300], parseRetryAfter('1', now), 0.5)).toBe(300);
    expect(nextAttemptIn(1, [5], parseRetryAfter('999999999', now), 0.5)).toBe(86_400);
    for (const text of [undefined, '', 'soon', '-5']) expect(parseRetryAfter(text, now)).toBeNull();
  });
});

describe('an address of the internet', () => {
  it.each([
    ...['127.0.0.1', '10.1.2.3', '172.31.0.1', '192.168.1.1', '169.254.169.254', '100.64.0.1', '0.0.0.0'],
    ...[
      '224.0.0.1',
      '255.255.255.255',
      '198.18.0.1',
      '::1',
      '::',
      'fe80::1',
      'fd00::1',
      'fec0::1',
      'ff02::1',
    ],
    ...['::ffff:127.0.0.1', '::ffff:169.254.169.254', '::ffff:a00:1', '64:ff9b::a00:1', '2002:a00:1::'],
    ...[
      '::127.0.0.1',
      '::ffff:0:127.0.0.1',
      '64:ff9b::169.254.169.254',
      '64:ff9b:1::a00:1',
      '2001:0:a00:1::1',
    ],
    ...['fe80::1%eth0', '0:0:0:0:0:ffff:10.0.0.1', '192.88.99.1', '2001:2::1', '3fff::1', '5f00::1'],
  ])('is not %s', (address) => {
    expect(isPrivateAddress(address)).toBe(true);
  });

  it.each(['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8'])(
    'is %s',
    (address) => {
      expect(isPrivateAddress(address)).toBe(false);
    },
  );
});

/** A resolver that says what it is told to, a different thing each time. */
function resolver(...answers: string[][]): { resolve: Resolve; asked: () => number } {
  let asked = 0;
  return {
    asked: () => asked,
    resolve: (_host, _options, done) => {
      const addresses = answers[Math.min(asked++, answers.length - 1)]!;
      done(
        null,
        addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
      );
    },
  };
}

const options = { allowPrivate: false, timeoutMs: 2000 };

describe('a post to a host that is not of the internet', () => {
  it.each([
    ['https://127.0.0.1:1/'],
    ['https://2130706433:1/'],
    ['https://0x7f.1:1/'],
    ['https://0177.0.0.1:1/'],
    ['https://127.1:1/'],
    ['https://0:1/'],
    ['https://①②⑦.⓪.⓪.①:1/'],
    ['https://127.0.0.1.:1/'],
    ['https://somebody@127.0.0.1:1/'],
    ['https://0xa9fea9fe/'],
    ['https://[64:ff9b::169.254.169.254]/'],
    ['https://[::ffff:0:127.0.0.1]:1/'],
    ['https://[::127.0.0.1]:1/'],
    ['https://[::1]:1/'],
    ['https://[::ffff:10.0.0.1]:1/'],
    ['https://169.254.169.254/latest/meta-data'],
    ['https://localhost:1/'],
  ])('is not made: %s', async (url) => {
    expect(await post(url, {}, '{}', options)).toMatchObject({
      status: null,
      error: 'the host is at an address of a private network',
    });
  });

  it('is not made over plain http', async () => {
    expect(await post('http://8.8.8.8/', {}, '{}', options)).toMatchObject({ error: 'the URL is not https' });
  });

  it.each([[['10.0.0.1']], [['8.8.8.8', '127.0.0.1']], [['2606:4700::1111', '::ffff:7f00:1']], [[]]])(
    'is not made to a name that stands for %s',
    async (addresses) => {
      const { resolve } = resolver(addresses);
      const { error } = await post('https://rebinding.example/', {}, '{}', { ...options, resolve });
      expect(error).toBe('the host is at an address of a private network');
    },
  );

  it('is not made when the name stands for another address a moment after it was checked', async () => {
    const server = createServer((_, res) => res.end('inside'));
    let connections = 0;
    server.on('connection', () => {
      connections += 1;
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    // The first answer passes the check; nobody may ask again, neither this resolver nor the system's.
    const { resolve, asked } = resolver(['192.0.2.1'], ['127.0.0.1']);
    const { status } = await post(`https://localhost:${port}/`, {}, '{}', {
      ...options,
      timeoutMs: 500,
      resolve,
    });
    server.close();
    expect([status, asked(), connections]).toEqual([null, 1, 0]);
  });
});

it('gives a socket the addresses that were checked, in the form it asks for', async () => {
  const lookup = publicLookup(resolver(['8.8.8.8', '2606:4700::1111']).resolve);
  const ask = (all: boolean) =>
    new Promise((resolve) => lookup('a.example', { all }, (...answer) => resolve(answer)));
  expect(await ask(true)).toEqual([
    null,
    [
      { address: '8.8.8.8', family: 4 },
      { address: '2606:4700::1111', family: 6 },
    ],
  ]);
  expect(await ask(false)).toEqual([null, '8.8.8.8', 4]);
});
