import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { errorsPage } from '../errors-page.js';
import { openApiDocument } from '../openapi.js';
import { notFound } from '../problem.js';
import { type Route, route } from '../route.js';

const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

// Swagger UI writes style attributes and pictures as data: URLs. Scripts come from files only.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

// Addresses are relative, so that a proxy may serve all of it below a path of its own.
const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Campanile API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null });
`;

const TYPES: Readonly<Record<string, string>> = {
  errors: 'text/html; charset=utf-8',
  'start.js': 'text/javascript; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'favicon-32x32.png': 'image/png',
};

const WRITTEN_HERE: Readonly<Record<string, () => string>> = { 'start.js': () => START, errors: errorsPage };

/** The route of the document that describes all of `routes`, this one too, hence a function. */
export function getOpenApi(routes: () => readonly Route[]): Route {
  let document: Buffer | undefined;
  return route({
    method: 'get',
    path: '/openapi.json',
    access: 'public',
    summary: 'This document',
    answer: z.looseObject({ openapi: z.string() }),
    async handle({ ctx }) {
      document ??= Buffer.from(JSON.stringify(openApiDocument(routes())));
      ctx.type = 'application/json';
      ctx.body = document;
      return undefined;
    },
  });
}

export const getDocsPage = route({
  method: 'get',
  path: '/docs',
  access: 'public',
  summary: 'This document, to read and try out',
  answer: 'text/html',
  async handle({ ctx }) {
    // Relative addresses lead astray below `/docs/`.
    if (ctx.path.endsWith('/')) return ctx.redirect('../docs');
    ctx.set('Content-Security-Policy', POLICY);
    ctx.type = 'text/html; charset=utf-8';
    ctx.body = PAGE;
  },
});

const filesRead = new Map<string, Promise<Buffer>>();

/** Anybody may ask for them, and who does not read them may have many under way: they all hold the same bytes. */
function readOnce(file: string): Promise<Buffer> {
  const read = filesRead.get(file) ?? readFile(join(swaggerUi, file));
  filesRead.set(file, read);
  return read;
}

export const getDocsFile = route({
  method: 'get',
  path: '/docs/{file}',
  access: 'public',
  summary: 'What that page is made of; /docs/errors lists the codes of problems',
  param: z.string(),
  answer: 'text/css',
  problems: ['not_found'],
  async handle({ ctx, id: file }) {
    const type = Object.hasOwn(TYPES, file) ? TYPES[file] : undefined;
    if (type === undefined) throw notFound('file');
    ctx.type = type;
    ctx.set('Cache-Control', 'public, max-age=3600');
    ctx.body = WRITTEN_HERE[file]?.() ?? (await readOnce(file));
  },
});
