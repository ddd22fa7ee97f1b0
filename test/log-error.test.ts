import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { describeError } from '../src/log-error.js';
import { insertCampaignFixture, insertTenantFixture, type TenantFixture } from './support/campaigns.js';
import { createTestDatabase, type TestDatabase } from './support/database.js';
import { keptLog } from './support/line.js';

const NUMBER = '+12125550187';

describe('an error in a log', () => {
  let database: TestDatabase;
  let tenant: TenantFixture;
  beforeAll(async () => {
    database = await createTestDatabase();
    tenant = await insertTenantFixture(database.pool);
  });
  afterAll(() => database.drop());

  /** The line that a log has of what `work` throws. */
  async function lineOf(work: () => unknown): Promise<string> {
    const { log, lines } = keptLog();
    try {
      await work();
    } catch (err) {
      log.error({ err }, 'it failed');
    }
    expect(lines).toHaveLength(1);
    return JSON.stringify(lines[0]);
  }

  it('has no row that broke a rule of Postgres, but names the rule', async () => {
    const id = await insertCampaignFixture(database.pool, tenant, [NUMBER]);
    const again = `INSERT INTO contacts (tenant_id, id, campaign_id, number, fields)
      SELECT tenant_id, gen_random_uuid(), campaign_id, number, '{"pin": "s3cret"}' FROM contacts WHERE campaign_id = $1`;
    const line = await lineOf(() => database.pool.query(again, [id]));
    expect(line).toContain('contacts_number_once');
    expect(line).not.toContain(NUMBER.slice(3));
    const wrong = 'UPDATE contacts SET number = $2 WHERE campaign_id = $1';
    const checked = await lineOf(() => database.pool.query(wrong, [id, 's3cret']));
    expect(checked).toContain('contact_number_is_e164');
    expect(checked).not.toMatch(/s3cret|Failing row/);
  });

  it('has no value that Postgres could not read', async () => {
    const line = await lineOf(() => database.pool.query('SELECT $1::uuid', ['s3cret']));
    expect(line).toContain('invalid input syntax for type uuid');
    expect(line).toContain('22P02');
    expect(line).not.toContain('s3cret');
    const json = await lineOf(() => database.pool.query('SELECT $1::jsonb', ['{"a": s3cret}']));
    expect(json).not.toContain('s3cret');
  });

  it('has no password of an address', async () => {
    const url = 'postgres://me:s3cret@db.example.com/campanile';
    const line = await lineOf(() => {
      throw new Error(`cannot use ${url}`, { cause: new Error(`tried ${url}`) });
    });
    expect(line).toContain('postgres://...@db.example.com/campanile');
    expect(line).not.toContain('s3cret');
    expect(await lineOf(() => new URL('postgres://me:s3cret@[db/campanile'))).not.toContain('s3cret');
  });

  it('has its code and what caused it, through a cause that is its own too', async () => {
    const cause = Object.assign(new Error('no space left'), { code: 'ENOSPC', path: '/s3cret' });
    const error = new Error('cannot write', { cause });
    const told = describeError(Object.assign(error, { code: 'spool_write_failed' }));
    expect(told).toMatchObject({
      type: 'Error',
      code: 'spool_write_failed',
      message: 'cannot write: no space left',
    });
    expect((told as { stack: string }).stack).toMatch(
      /^Error: cannot write\n {4}at .*\ncaused by: Error: no space left\n {4}at /s,
    );
    expect(JSON.stringify(told)).not.toContain('s3cret');
    cause.cause = error;
    expect(describeError(error)).toMatchObject({
      message: expect.stringMatching(/^cannot write: no space left: /),
    });
    const both = new AggregateError([new Error('::1 refused'), new Error('127.0.0.1 refused')]);
    expect(describeError(both)).toMatchObject({ errors: ['::1 refused', '127.0.0.1 refused'] });
    expect(describeError({ password: 's3cret' })).toBe('no error');
  });
});
