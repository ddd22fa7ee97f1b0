import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { errorsMarkdown } from '../../src/api/errors-page.js';
import { problemCodesOf } from '../../src/api/route-problems.js';
import { routes } from '../../src/api/routes.js';
import { PROBLEM_CODES, PROBLEMS } from '../../src/problems.js';
import { packageRoot } from '../../src/root.js';

import { useApi } from './use.js';

const api = useApi();

const source = readdirSync(join(packageRoot, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/(^problems|route-problems)\.ts$/.test(file))
  .map((file) => readFileSync(join(packageRoot, 'src', file), 'utf8'))
  // Where a route says that it may answer with a code is not where it does.
  .map((text) => text.replace(/problems: \[[^\]]*\]/g, ''))
  .join('\n');

describe('the table of codes', () => {
  it.each(PROBLEM_CODES)('has %s, which something throws', (code) => {
    expect(source.includes(`'${code}'`)).toBe(true);
  });

  it('is in the order of the statuses, and says what happened and what to do', () => {
    const statuses = PROBLEM_CODES.map((code) => PROBLEMS[code].status);
    expect(statuses).toEqual([...statuses].sort((a, b) => a - b));
    for (const code of PROBLEM_CODES) {
      const { when, todo } = PROBLEMS[code];
      for (const text of [when, todo]) expect(text).toMatch(/^[A-Z`].*[^.]$/);
    }
  });

  it('is docs/errors.md; `npx vitest run -u test/api/errors.test.ts` writes it', async () => {
    await expect(errorsMarkdown()).toMatchFileSnapshot(join(packageRoot, 'docs/errors.md'));
  });

  it('is a page that the type of a problem document leads to', async () => {
    const { json } = await api.send('GET', '/v1/campaigns');
    expect(json.type).toBe('/docs/errors#token_missing');
    const page = await api.send('GET', '/docs/errors');
    expect(page.headers.get('Content-Type')).toContain('text/html');
    for (const code of PROBLEM_CODES) expect(page.bytes.toString()).toContain(`<tr id="${code}">`);
  });
});

describe('the description of each operation', () => {
  it('lists the codes that it may answer with, by their statuses', async () => {
    const { json } = await api.send('GET', '/openapi.json');
    for (const route of routes) {
      const { responses } = json.paths[route.path][route.method];
      const listed = Object.entries<Record<string, never>>(responses).filter(
        ([status]) => Number(status) >= 400,
      );
      const codes = listed.flatMap(([status, response]) => {
        const { enum: some } = codeSchema(response);
        for (const code of some) expect(PROBLEMS[code as keyof typeof PROBLEMS].status).toBe(Number(status));
        return some;
      });
      expect(codes.sort(), route.path).toEqual(problemCodesOf(route).sort());
    }
  });
});

// biome-ignore lint/suspicious/noExplicitAny: a document as it came over the wire
function codeSchema(response: any): { enum: string[] } {
  const { schema } = response.content['application/problem+json'];
  const own =
    schema.properties ?? schema.allOf.find((part: { properties?: unknown }) => part.properties).properties;
  return own.code;
}
