import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { openApiDocument } from '../../../src/api/openapi.js';
import type { Route } from '../../../src/api/route.js';
import { routes } from '../../../src/api/routes.js';

/** JSON Schema, as much of it as the document uses. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  items?: Schema;
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  example?: unknown;
}

export interface Parameter {
  name: string;
  in: 'query' | 'path' | 'header';
  schema: Schema;
}

type Contents = Record<string, { schema: Schema }>;

/** An operation of the OpenAPI document, with the route that it describes. */
export interface Operation {
  route: Route;
  parameters: Parameter[];
  body: Contents | null;
  responses: Record<string, { content?: Contents }>;
}

interface Described {
  parameters?: Parameter[];
  requestBody?: { content: Contents };
  responses: Operation['responses'];
}

// As a client gets it.
const document = JSON.parse(JSON.stringify(openApiDocument(routes))) as {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
};

export const operations: readonly Operation[] = routes.map((route) => {
  const { parameters = [], requestBody, responses } = document.paths[route.path]![route.method]!;
  return { route, parameters, body: requestBody?.content ?? null, responses };
});

/** A schema, or the one that it refers to. */
export function resolve(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  return resolve(document.components.schemas[schema.$ref.split('/').at(-1)!]!);
}

const ajv = new Ajv2020({ strict: false, allErrors: false });
formats.default(ajv);
ajv.addSchema(document, 'api');
const compiled = new WeakMap<Schema, ValidateFunction>();

/** What is wrong with a value by a schema of the document; null when nothing is. It is judged by Ajv, not by what made the document. */
export function wrongBy(schema: Schema, value: unknown): string | null {
  let validate = compiled.get(schema);
  if (!validate) {
    validate = ajv.compile(
      JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"api#/components')),
    );
    compiled.set(schema, validate);
  }
  return validate(value) ? null : ajv.errorsText(validate.errors);
}
