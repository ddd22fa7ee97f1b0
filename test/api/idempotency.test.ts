import type pg from 'pg';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { parseKey } from '../../src/api/idempotency.js';
import { creates, type Route } from '../../src/api/route.js';
import { routes } from '../../src/api/routes.js';
import { deleteOldAnswers } from '../../src/db/idempotency.js';
import type { Pool } from '../../src/db/pool.js';
import { newId } from '../../src/ids.js';
import { adminToken, type Reply, type Sent } from './client.js';
import { createCampaign, everything, numbers } from './fixtures.js';
import { importing } from './importing.js';
import { validRequest } from './requests.js';
import { useApi, useTenant } from './use.js';

const api = useApi({ poolOf: breakable });
const tenant = useTenant(api, { requests_per_minute: null });
const other = useTenant(api);
let campaign: string;

/** When set, called after a COMMIT took place and before anybody hears of it. */
let afterCommit: (() => void) | undefined;

beforeAll(async () => {
  campaign = await createCampaign(api, tenant);
});

/** A pool whose COMMIT may fail after it took place, as when the process or the connection dies there. */
function breakable(pool: Pool): Pool {
  const connect = async () => {
    const client = await pool.connect();
    let keeps = false;
    const query = async (statement: string | pg.QueryConfig, values?: unknown[]) => {
      const result = await client.query(statement, values);
      if (typeof statement === 'string' && statement.includes('INSERT INTO idempotency_keys')) keeps = true;
      if (statement !== 'COMMIT') return result;
      if (keeps) afterCommit?.();
      keeps = false;
      return result;
    };
    return instead(client, { query });
  };
  return instead(pool, { connect });
}

function instead<T extends object>(object: T, methods: Record<string, unknown>): T {
  return new Proxy(object, {
    get(target, key) {
      if (key in methods) return methods[key as string];
      const value = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

const withKey = (key: string, sent: Sent): Sent => ({ ...sent, headers: { 'Idempotency-Key': key } });
const list = (key: string, name = 'Once', token = tenant.token) =>
  api.send('POST', '/v1/suppression-lists', withKey(key, { token, body: { name } }));
const listsNamed = async (name: string, tenantId = tenant.id) => {
  const { rowCount } = await api.db.pool.query(
    'SELECT FROM suppression_lists WHERE tenant_id = $1 AND name = $2',
    [tenantId, name],
  );
  return rowCount;
};
const seen = ({ status, headers, bytes }: Reply) => ({
  status,
  body: bytes.toString(),
  location: headers.get('Location'),
});

const creating = routes.filter(creates);

function requestFor(route: Route): { path: string; sent: Sent } {
  const { path, sent } = validRequest(route, { campaign, owner: tenant });
  const named = route.access === 'tenant_or_admin' ? `?tenant_id=${tenant.id}` : '';
  const token = route.access === 'tenant' ? tenant.token : adminToken;
  return { path: path + named, sent: { ...sent, token } };
}

describe('every POST that creates', () => {
  it('is known here', () => {
    const names = creating.map(({ path }) => path);
    for (const path of ['/v1/campaigns', '/v1/messages', '/v1/campaigns/{id}/imports', '/v1/tenants']) {
      expect(names).toContain(path);
    }
  });

  it.each(creating.map((route) => ({ path: route.path, route })))(
    'creates one thing when it comes twice with one key: $path',
    async ({ route }) => {
      const { path, sent } = requestFor(route);
      const key = newId();
      const isImport = route.path.endsWith('/imports');
      const first = await api.send('POST', path, withKey(key, sent));
      expect(first.status, first.bytes.toString()).toBe(201);
      if (isImport) await importing(api, tenant, campaign).untilOver(first.json.id);
      const before = await everything(api);
      const second = await api.send('POST', path, withKey(key, sent));
      expect(await everything(api)).toBe(before);
      expect(first.headers.has('Idempotent-Replayed')).toBe(false);
      expect(second.headers.get('Idempotent-Replayed')).toBe('true');
      // An import has gone on since.
      if (isImport) expect(second.json).toMatchObject({ id: first.json.id, state: 'completed' });
      else expect(seen(second)).toEqual(seen(first));
      expect(second.headers.get('Location')).toBe(first.headers.get('Location'));
    },
  );

  it.each(creating.map((route) => ({ path: route.path, route })))(
    'says so in the description: $path',
    async ({ route }) => {
      const { json } = await api.send('GET', '/openapi.json');
      const operation = json.paths[route.path].post;
      expect(operation.parameters).toContainEqual(
        expect.objectContaining({ in: 'header', name: 'Idempotency-Key', required: false }),
      );
      expect(operation.responses[201].headers).toHaveProperty('Idempotent-Replayed');
      for (const status of [400, 409, 422]) expect(operation.responses).toHaveProperty(String(status));
    },
  );

  it('has a Location that leads to what was made', async () => {
    for (const path of [`/v1/campaigns/${campaign}/copy`, '/v1/suppression-lists']) {
      const body = path.endsWith('copy') ? {} : { name: 'Found' };
      const made = await api.send('POST', path, { token: tenant.token, body });
      const found = await api.send('GET', made.headers.get('Location')!, { token: tenant.token });
      expect(found.json.id).toBe(made.json.id);
    }
  });
});

describe('a repeat', () => {
  it('after a crash between commit and answer gets the answer, and does nothing', async () => {
    const key = newId();
    afterCommit = () => {
      afterCommit = undefined;
      throw new Error('killed');
    };
    expect((await list(key, 'Crashed')).status).toBe(500);
    expect(await listsNamed('Crashed')).toBe(1);
    const again = await list(key, 'Crashed');
    expect([again.status, again.headers.get('Idempotent-Replayed')]).toEqual([201, 'true']);
    expect(await listsNamed('Crashed')).toBe(1);
  });

  it('after a crash before the commit does it', async () => {
    const key = newId();
    await api.db.pool.query(
      `CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
       CREATE TRIGGER die AFTER INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION die()`,
    );
    expect((await list(key, 'Died')).status).toBeGreaterThanOrEqual(500);
    expect(await listsNamed('Died')).toBe(0);
    await api.db.pool.query('DROP FUNCTION die CASCADE');
    const again = await list(key, 'Died');
    expect([again.status, again.headers.get('Idempotent-Replayed')]).toEqual([201, null]);
    expect(await listsNamed('Died')).toBe(1);
  });

  it('fifty at once create one, and the others get its answer or are told to wait', async () => {
    const key = newId();
    const replies = await Promise.all(Array.from({ length: 50 }, () => list(key, 'Fifty')));
    expect(await listsNamed('Fifty')).toBe(1);
    const made = replies.filter(({ status }) => status === 201);
    expect(new Set(made.map(({ json }) => json.id)).size).toBe(1);
    expect(made.filter(({ headers }) => !headers.has('Idempotent-Replayed'))).toHaveLength(1);
    for (const { status, json, headers } of replies.filter(({ status }) => status !== 201)) {
      expect([status, json.code, headers.get('Retry-After')]).toEqual([409, 'idempotency_key_in_use', '1']);
    }
  });

  it('while the first is under way is told to wait', async () => {
    const key = newId();
    const holder = await api.db.pool.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE suppression_lists IN EXCLUSIVE MODE');
      const first = list(key, 'Slow');
      const asked = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
      await vi.waitFor(async () => expect((await api.db.pool.query(asked)).rowCount).toBe(1));
      const second = await list(key, 'Slow');
      expect([second.status, second.json.code]).toEqual([409, 'idempotency_key_in_use']);
      await holder.query('COMMIT');
      expect((await first).status).toBe(201);
    } finally {
      holder.release();
    }
    expect((await list(key, 'Slow')).headers.get('Idempotent-Replayed')).toBe('true');
  });

  it('with another body, query or path is refused, and nothing is done', async () => {
    const key = newId();
    expect((await list(key, 'One')).status).toBe(201);
    const before = await everything(api);
    const others = [
      await list(key, 'Two'),
      await api.send(
        'POST',
        `/v1/suppression-lists?tenant_id=${tenant.id}`,
        withKey(key, { token: tenant.token, body: { name: 'One' } }),
      ),
      await api.send(
        'POST',
        '/v1/api-keys',
        withKey(key, { token: tenant.token, body: { name: 'One', role: 'viewer' } }),
      ),
    ];
    for (const { status, json } of others)
      expect([status, json.code]).toEqual([422, 'idempotency_key_reused']);
    expect(await everything(api)).toBe(before);
  });

  it('with the key of another tenant is none', async () => {
    const key = newId();
    const [mine, theirs] = [await list(key, 'Mine'), await list(key, 'Mine', other.token)];
    expect(theirs.status).toBe(201);
    expect(theirs.json.id).not.toBe(mine.json.id);
    expect(theirs.headers.has('Idempotent-Replayed')).toBe(false);
  });

  it('with a key of the installation, or of a tenant that an admin acts for, is none of another one', async () => {
    const key = newId();
    await list(key, 'Shared');
    const asAdmin = (path: string, body: object) =>
      api.send('POST', path, withKey(key, { token: adminToken, body }));
    const trunk = { name: 'New', template: 'direct', pbx_trunk: 'carrier1', ports: 1 };
    const replies = [
      await asAdmin('/v1/tenants', { name: 'New', ports: 1 }),
      await asAdmin(`/v1/trunks?tenant_id=${other.id}`, trunk),
    ];
    for (const reply of replies) {
      expect([reply.status, reply.headers.get('Idempotent-Replayed')]).toEqual([201, null]);
    }
    expect((await asAdmin(`/v1/trunks?tenant_id=${tenant.id}`, trunk)).json.code).toBe(
      'idempotency_key_reused',
    );
  });

  it('may be mended when the first was refused', async () => {
    const key = newId();
    expect((await list(key, ' ')).status).toBe(422);
    const unknown = await api.send(
      'POST',
      `/v1/campaigns/${newId()}/copy`,
      withKey(key, { token: tenant.token, body: {} }),
    );
    expect(unknown.status).toBe(404);
    expect((await list(key, 'Mended')).status).toBe(201);
  });

  it('gets its answer though things have changed since', async () => {
    const own = await createCampaign(api, tenant);
    const add = () =>
      api.send(
        'POST',
        `/v1/campaigns/${own}/contacts`,
        withKey(`contacts ${own}`.replace(' ', '-'), {
          token: tenant.token,
          body: [{ number: numbers(1)[0] }],
        }),
      );
    expect((await add()).json).toEqual({ added: 1, duplicates: 0 });
    await api.send('POST', `/v1/campaigns/${own}/cancel`, { token: tenant.token });
    expect((await add()).json).toEqual({ added: 1, duplicates: 0 });
  });

  it('of an import whose upload broke off imports; while it comes, and with another length, it is refused', async () => {
    const own = await createCampaign(api, tenant);
    const key = newId();
    const path = `/v1/campaigns/${own}/imports`;
    const upload = importing(api, tenant, own).begin('text/csv');
    upload.setHeader('Idempotency-Key', key);
    upload.on('error', () => {});
    upload.write(`number\n${numbers(1)[0]}\n`);
    const jobs = async () => importing(api, tenant, own).jobs();
    await vi.waitFor(async () => expect(await jobs()).toHaveLength(1));
    const send = (count: number) =>
      api.send(
        'POST',
        path,
        withKey(key, {
          token: tenant.token,
          body: `number\n${numbers(count).join('\n')}\n`,
          type: 'text/csv',
        }),
      );
    expect((await send(2)).json.code).toBe('idempotency_key_in_use');
    upload.destroy();
    await vi.waitFor(async () => expect((await jobs())[0]!.state).toBe('failed'));
    const made = await vi.waitFor(async () => {
      const reply = await send(2);
      expect(reply.status).toBe(201);
      return reply;
    });
    await importing(api, tenant, own).untilOver(made.json.id);
    expect((await send(2)).json).toMatchObject({ id: made.json.id, state: 'completed', added: 2 });
    expect((await send(3)).json.code).toBe('idempotency_key_reused');
    expect((await jobs()).filter(({ state }) => state === 'completed')).toHaveLength(1);
  });

  it('a day later is a request of its own, and answers that old are removed', async () => {
    const key = newId();
    const old = (hours: number) =>
      api.db.pool.query(
        `UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $2) WHERE key = $1`,
        [key, hours],
      );
    await list(key, 'Daily');
    await old(23);
    expect((await list(key, 'Daily')).headers.get('Idempotent-Replayed')).toBe('true');
    expect(await deleteOldAnswers(api.db.pool)).toBe(0);
    await old(24);
    expect((await list(key, 'Daily')).headers.has('Idempotent-Replayed')).toBe(false);
    expect(await listsNamed('Daily')).toBe(2);
    await old(24);
    expect(await deleteOldAnswers(api.db.pool)).toBe(1);
  });
});

describe('what is kept', () => {
  it('shows neither a key nor a password', async () => {
    const made = await api.send(
      'POST',
      '/v1/api-keys',
      withKey(newId(), { token: tenant.token, body: { name: 'Secret', role: 'viewer' } }),
    );
    const { rows } = await api.db.pool.query<{ answer: Buffer }>('SELECT answer FROM idempotency_keys');
    expect(rows.length).toBeGreaterThan(0);
    for (const { answer } of rows) expect(answer.toString('latin1')).not.toContain(made.json.key);
  });
});

describe('Idempotency-Key', () => {
  it('is a string of RFC 8941, or the same without its quotes', () => {
    expect(parseKey('"8e03978e-40d5"')).toBe('8e03978e-40d5');
    expect(parseKey('8e03978e-40d5')).toBe('8e03978e-40d5');
    expect(parseKey('"a \\"b\\" \\\\"')).toBe('a "b" \\');
    expect(parseKey('')).toBeNull();
  });

  it.each(['""', '"', '"a', 'a b', '"a", "b"', 'a,b', `"${'x'.repeat(256)}"`, '"\\x"'])(
    'is not %s',
    (header) => {
      expect(() => parseKey(header)).toThrow('Idempotency-Key must be');
    },
  );
});
