import { expect, it } from 'vitest';
import { MOST_STEPS } from '../../src/calls/flow/check.js';
import { useApi, useTenant } from './use.js';

const api = useApi();
const tenant = useTenant(api);

const names = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`);
const stepsOf = (count: number, step: (i: number) => object) =>
  Object.fromEntries(names(count).map((name, i) => [name, step(i)]));
const save = async (steps: object) => {
  const body = { name: 'Flow', definition: { start: 's0', steps } };
  const { status, json } = await api.send('POST', '/v1/flows', { token: tenant.token, body });
  return { status, json };
};

it('refuses a flow of 10,000 steps, and keeps nothing of it', async () => {
  const { status, json } = await save(stepsOf(9_900, () => ({ type: 'hangup' })));
  expect(status).toBe(422);
  expect(json.errors).toContainEqual({
    field: '/definition/steps',
    message: expect.stringContaining(String(MOST_STEPS)),
  });
  expect((await save(stepsOf(100_000, () => ({ type: 'hangup' })))).status).toBe(413);
  const kept = (await api.send('GET', '/v1/flows', { token: tenant.token })).json.data;
  expect(kept.map((flow: { name: string }) => flow.name)).not.toContain('Flow');
});

it('names at most a hundred errors of a flow in which every step leads to every other', async () => {
  const every = Object.fromEntries(names(60).map((name) => [`to ${name}`, name]));
  const { status, json } = await save(
    stepsOf(60, () => ({ type: 'branch', value: '{x|a}', cases: every, otherwise: 's0' })),
  );
  expect(status).toBe(422);
  expect(json.errors.length).toBeGreaterThan(0);
  expect(json.errors.length).toBeLessThanOrEqual(100);
});
