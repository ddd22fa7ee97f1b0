import { beforeAll, describe, expect, it } from 'vitest';
import { routes } from '../../src/api/routes.js';
import { useApi } from './use.js';

// biome-ignore lint/suspicious/noExplicitAny: a document as it came over the wire
let document: any;
const api = useApi();
beforeAll(async () => {
  document = (await api.send('GET', '/openapi.json')).json;
});

const described = () =>
  Object.entries<Record<string, unknown>>(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );

describe('the OpenAPI document', () => {
  it('is of version 3.1', () => {
    expect(document.openapi).toBe('3.1.0');
  });

  it('describes every route that is mounted, and no other', () => {
    expect(described().sort()).toEqual(routes.map((route) => `${route.method} ${route.path}`).sort());
  });

  it('describes nothing that does not answer', async () => {
    for (const route of described()) {
      const [method, path] = route.split(' ') as [string, string];
      const reply = await api.send(method, path.replace('{file}', 'start.js').replace(/\{\w+\}/, 'x'));
      expect([200, 401], route).toContain(reply.status);
    }
  });

  it('has every method that the app takes, by what 405 says of its paths', async () => {
    const paths = Object.entries<Record<string, unknown>>(document.paths);
    for (const [path] of paths) {
      const address = path.replace(/\{\w+\}/, 'x');
      // /v1/flows/check is an address of /v1/flows/{id}, too.
      const takesIt = (other: string) => new RegExp(`^${other.replace(/\{\w+\}/, '[^/]+')}$`).test(address);
      const methods = paths.filter(([other]) => takesIt(other)).flatMap(([, found]) => Object.keys(found));
      const other = ['delete', 'put', 'patch'].find((method) => !methods.includes(method))!;
      const reply = await api.send(other, address);
      expect(reply.status).toBe(405);
      const allowed = reply.headers.get('Allow')!.toLowerCase().split(', ');
      expect(allowed.filter((m) => m !== 'head').sort()).toEqual(methods.sort());
    }
  });

  it('asks for a token where one is needed, and for a body where one is read', () => {
    for (const route of routes) {
      const operation = document.paths[route.path][route.method];
      expect(operation.security, route.path).toEqual(route.access === 'public' ? undefined : [{ token: [] }]);
      const types = Object.keys(operation.requestBody?.content ?? {});
      expect(types).toEqual(
        Object.keys(route.upload?.content ?? route.stream ?? (route.body ? { 'application/json': 0 } : {})),
      );
    }
  });

  it('describes what answers with nothing as that', () => {
    const { responses } = document.paths['/v1/api-keys/{id}'].delete;
    expect(responses[204]).toEqual({ description: 'No Content' });
    expect(Object.keys(responses)).not.toContain('200');
  });

  it('lets every reference lead somewhere', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(10);
    for (const [, name] of references) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('says what the checks are, and that unknown properties are refused', () => {
    const { NewCampaign, Problem } = document.components.schemas;
    expect(NewCampaign.additionalProperties).toBe(false);
    expect(NewCampaign.required.sort()).toEqual(['name', 'trunk_ids']);
    const { CampaignChanges, FlowStep } = document.components.schemas;
    expect([CampaignChanges.required, FlowStep.oneOf[0].required]).toEqual([undefined, ['type', 'message']]);
    expect(NewCampaign.properties.ring_seconds).toMatchObject({ minimum: 5, maximum: 120, default: 30 });
    expect(Problem.properties.code.type).toBe('string');
    const { properties } = document.components.schemas.RetryRules;
    expect(Object.keys(properties)).not.toContain('answered');
    expect(properties.busy.type).toBe('string');
  });
});

describe('the documentation', () => {
  it('is a page whose files are all here', async () => {
    const page = await api.send('GET', '/docs');
    const text = page.bytes.toString();
    expect(page.headers.get('Content-Type')).toContain('text/html');
    const addresses = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address]) => address!);
    expect(addresses.length).toBe(4);
    for (const address of addresses) {
      expect(address).not.toMatch(/^(\/|https?:)/);
      const file = await fetch(new URL(address, `${api.url}/docs`));
      expect(file.status).toBe(200);
      expect((await file.arrayBuffer()).byteLength).toBeGreaterThan(0);
    }
    const start = await api.send('GET', '/docs/start.js');
    expect(start.bytes.toString()).toContain("url: 'openapi.json'");
  });

  it('runs no script but those', async () => {
    const page = await api.send('GET', '/docs');
    const policy = page.headers.get('Content-Security-Policy');
    expect(policy).toContain("script-src 'self';");
    expect(policy).toContain("default-src 'none'");
    expect(page.bytes.toString()).not.toMatch(/<script>|\son\w+=/);
  });

  it('is one step up from where a slash too many leads', async () => {
    const reply = await api.send('GET', '/docs/');
    expect(reply.status).toBe(302);
    expect(new URL(reply.headers.get('Location')!, `${api.url}/docs/`).pathname).toBe('/docs');
  });

  it.each(['package.json', '..%2Fpackage.json', 'constructor', 'index.html'])(
    'gives out no %s',
    async (file) => {
      expect((await api.send('GET', `/docs/${file}`)).status).toBe(404);
    },
  );
});
