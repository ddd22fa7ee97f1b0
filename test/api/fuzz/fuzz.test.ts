import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adminToken } from '../client.js';
import { forge, unknownId } from '../fixtures.js';
import { validRequest } from '../requests.js';
import { useApi } from '../use.js';
import { bytesOf } from './body.js';
import { type Operation, operations } from './document.js';
import { type Exchange, exchange } from './exchange.js';
import { judgeAccepted, judgeAnswer, judgeStored, type Sent } from './judge.js';
import { type Plan, plansOf } from './plan.js';
import { createTally } from './tally.js';
import { createWorld, placed, type World } from './world.js';

// Every operation of the OpenAPI document, by its schemas and against them. What is sent is made from the document, so that
// an operation that is new is tried here too. CAMPANILE_FUZZ_REQUESTS is how many requests each gets, CAMPANILE_FUZZ_SEED
// which ones; a failure prints its seed and the smallest plan that fails.
const REQUESTS = Number(process.env.CAMPANILE_FUZZ_REQUESTS ?? 25);
const SEED = Number(process.env.CAMPANILE_FUZZ_SEED ?? 5);
/** The world is made anew after so many changes: what they did to it would end most other requests early. */
const WORN = 40;

const api = useApi({ trustProxy: 1 });
let stranger: World;
let world: World | null = null;
let changes = 0;
let addresses = 0;
const tally = createTally();
afterAll(() => {
  if (process.env.CAMPANILE_FUZZ_REQUESTS) console.log(tally.tell());
});
beforeAll(async () => {
  stranger = await createWorld(api);
});

describe('whatever is sent', () => {
  it.each(
    operations.map((operation) => ({ name: `${operation.route.method} ${operation.route.path}`, operation })),
  )(
    'is answered as the document says, and nothing that it forbids is kept: $name',
    async ({ operation }) => {
      await fc.assert(
        fc.asyncProperty(plansOf(operation), async (plan) => {
          if (world === null || changes >= WORN) [world, changes] = [await createWorld(api), 0];
          const here = world;
          const { sent, got } = await perform(operation, plan, here);
          judgeAnswer(operation, sent, got);
          if (plan.who === 'right' && [401, 403, 429].includes(got.status)) world = null;
          if (sent.method === 'OPTIONS' || got.status >= 300) return;
          judgeAccepted(operation, sent);
          await judgeKept(operation, got, sent, plan, here);
          if (operation.route.method !== 'get') changes += 1;
          if (operation.route.method === 'delete') world = null;
        }),
        {
          numRuns: operation.route.method === 'delete' ? Math.ceil(REQUESTS / 5) : REQUESTS,
          seed: SEED,
          endOnFailure: REQUESTS > 1000,
        },
      );
      expect((await exchange(api.url, 'GET', '/healthz', {}, undefined)).status).toBe(200);
    },
    REQUESTS * 1000 + 60_000,
  );
});

const tokenOf = (plan: Plan, { route }: Operation, world: World): string | null => {
  const admins = ['admin', 'admin_for_tenant', 'tenant_or_admin'].includes(route.access);
  switch (plan.who) {
    case 'right':
      return admins ? adminToken : world.owner.token;
    case 'viewer':
      return world.viewer;
    case 'stranger':
      return stranger.owner.token;
    case 'admin':
      return adminToken;
    case 'forged':
      return forge({ role: 'admin' }, { alg: 'none' });
    case 'nobody':
      return null;
  }
};

async function perform(
  operation: Operation,
  plan: Plan,
  world: World,
): Promise<{ sent: Sent; got: Exchange }> {
  const { route } = operation;
  const [whose, admins] = [
    plan.id === 'other' ? stranger : world,
    ['admin_for_tenant', 'tenant_or_admin'].includes(route.access),
  ];
  const usual = validRequest(route, { ...whose, owner: whose.owner });
  const [path = '', usualQuery] = pathOf(route.path, usual.path.replace('{file}', 'start.js'), plan).split(
    '?',
  );
  const query = [
    ...(plan.query.length === 0 || route.path === '/v1/messages' ? [usualQuery ?? []] : []).flat(),
    ...plan.query,
    ...(admins && plan.query.every((pair) => !pair.startsWith('tenant_id'))
      ? [`tenant_id=${world.owner.id}`]
      : []),
  ].map((pair) => placed(pair, world).replaceAll('%3C', '<').replaceAll('<', '%3C'));
  const planned = operation.body ? bytesOf(plan.body, usual.sent.body) : undefined;
  const body = planned && Buffer.from(placed(planned.toString('latin1'), world), 'latin1');
  const type = operation.body ? plan.body.type : null;
  const token = route.access === 'public' ? null : tokenOf(plan, operation, world);
  addresses += 1;
  const headers = {
    'x-forwarded-for': `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`,
    ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    ...(type === null ? {} : { 'content-type': type }),
    ...plan.headers,
  };
  const method = plan.method === 'own' ? route.method.toUpperCase() : plan.method.toUpperCase();
  const began = performance.now();
  const got = await exchange(
    api.url,
    method,
    path + (query.length > 0 ? `?${query.join('&')}` : ''),
    headers,
    body,
  );
  tally.note(`${method} ${route.path}`, got.status, performance.now() - began);
  return { sent: { method, query, type: headers['content-type'] ?? null, body }, got };
}

function pathOf(template: string, usual: string, { id }: Plan): string {
  if (id === 'own' || id === 'other') return usual;
  return template.replace(/\{\w+\}/, id === 'unknown' ? unknownId : id.raw);
}

/** What was changed is asked for again, and looked at in the database. */
async function judgeKept(
  operation: Operation,
  got: Exchange,
  sent: Sent,
  plan: Plan,
  world: World,
): Promise<void> {
  const { route } = operation;
  if (route.method === 'get' || route.method === 'delete') return;
  const token = tokenOf(plan, operation, world)!;
  const answer = got.bytes?.length ? JSON.parse(got.bytes.toString()) : {};
  const path =
    got.headers.location ?? (typeof answer.id === 'string' ? route.path.replace('{id}', answer.id) : null);
  const reader = operations.find(
    ({ route: other }) =>
      other.method === 'get' &&
      path !== null &&
      new RegExp(`^${other.path.replace(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
  if (reader && path !== null) {
    const query =
      reader.route.access === 'tenant' || reader.route.access === 'tenant_or_admin'
        ? `?tenant_id=${world.owner.id}`
        : '';
    const again = await exchange(
      api.url,
      'GET',
      path + query,
      { authorization: `Bearer ${token}` },
      undefined,
    );
    judgeAnswer(reader, { ...sent, method: 'GET' }, again);
    if (again.status === 200) judgeStored(operation, JSON.parse(again.bytes!.toString()));
  }
  for (const row of await rowsWith(answer.id)) judgeStored(operation, row);
}

let tables: Promise<string[]> | undefined;

/** The rows of all tables with an id. */
async function rowsWith(id: unknown): Promise<Record<string, unknown>[]> {
  if (typeof id !== 'string') return [];
  tables ??= api.db.pool
    .query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.columns
        WHERE table_schema = 'public' AND column_name = 'id' AND data_type = 'uuid'`,
    )
    .then(({ rows }) => rows.map(({ name }) => name));
  const each = (await tables).map((name) => `SELECT to_jsonb(t) AS row FROM ${name} t WHERE id = $1`);
  const { rows } = await api.db.pool.query<{ row: Record<string, unknown> }>(each.join(' UNION ALL '), [id]);
  return rows.map(({ row }) => row);
}
