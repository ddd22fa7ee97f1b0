import { STATUS_CODES } from 'node:http';
import { type Operation, resolve, type Schema, wrongBy } from './document.js';
import type { Exchange } from './exchange.js';

/** What was sent, as far as an answer is judged by it. */
export interface Sent {
  method: string;
  query: readonly string[];
  type: string | null;
  body: Buffer | undefined;
}

/** Throws unless an answer is one that the document describes. */
export function judgeAnswer({ route, responses }: Operation, sent: Sent, got: Exchange): void {
  if (sent.method === 'OPTIONS') {
    judgeOptions(got);
    return;
  }
  const where = `${sent.method} ${route.path} answered ${got.status} ${STATUS_CODES[got.status]}`;
  if (got.status >= 500 && got.status !== 503) throw new Error(`${where}: ${got.bytes}`);
  const response = responses[String(got.status)];
  if (!response) throw new Error(`${where}, which is not in the document: ${got.bytes}`);
  if (sent.method === 'HEAD') {
    if (got.bytes?.length) throw new Error(`${where} with a body to HEAD`);
    return;
  }
  const type = got.headers['content-type']?.replace(/;.*/, '');
  if (!response.content) {
    if (got.bytes?.length) throw new Error(`${where} with a body that is not in the document`);
    return;
  }
  const content =
    response.content[type ?? ''] ??
    (type?.startsWith('text/') || type?.includes('javascript')
      ? Object.values(response.content)[0]
      : undefined);
  if (!content) throw new Error(`${where} as ${type}, which is not in the document`);
  if (!type!.endsWith('json') || type === 'application/x-ndjson' || got.bytes === null) return;
  const wrong = wrongBy(content.schema, JSON.parse(got.bytes.toString()));
  if (wrong)
    throw new Error(
      `${where} with what its schema does not say: ${wrong}: ${got.bytes.toString().slice(0, 2000)}`,
    );
}

function judgeOptions({ status }: Exchange): void {
  if (status >= 500) throw new Error(`OPTIONS answered ${status}`);
}

/** Throws when what was accepted is not what the document says is taken. */
export function judgeAccepted(
  { route, body, parameters }: Operation,
  { query, type, body: bytes }: Sent,
): void {
  const schema = type?.toLowerCase().startsWith('application/json')
    ? body?.['application/json']?.schema
    : undefined;
  if (schema && bytes) {
    const wrong = wrongBy(schema, JSON.parse(bytes.toString().replace(/^\ufeff/, '')));
    if (wrong)
      throw new Error(
        `${route.method} ${route.path} took a body that the document forbids: ${wrong}: ${bytes.toString().slice(0, 2000)}`,
      );
  }
  const given = [...new URLSearchParams(query.join('&'))];
  for (const [name, text] of given) {
    const parameter = parameters.find((each) => each.in === 'query' && each.name === name);
    const wrong = parameter ? wrongBy(parameter.schema, parameterOf(parameter.schema, text)) : 'is not known';
    if (wrong)
      throw new Error(
        `${route.method} ${route.path} took ?${name}=${text}, which the document forbids: ${wrong}`,
      );
  }
}

function parameterOf({ type }: Schema, text: string): unknown {
  if (type === 'integer' || type === 'number') return /^-?\d+$/.test(text) ? Number(text) : text;
  return text;
}

/** Throws when something that is kept has a member which the schema of what was sent forbids. */
export function judgeStored({ route, body }: Operation, stored: Record<string, unknown>): void {
  const { properties = {} } = resolve(body?.['application/json']?.schema ?? {});
  for (const [name, schema] of Object.entries(properties)) {
    const value = stored[name];
    if (value === undefined || value === null) continue;
    const wrong = wrongBy(lax(schema), value);
    if (wrong)
      throw new Error(
        `after ${route.method} ${route.path} ${name} is kept as ${JSON.stringify(value)}: ${wrong}`,
      );
  }
}

/** Of what is kept not all is shown: a password, say. */
function lax(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    key === 'required' || key === 'additionalProperties' ? undefined : value,
  );
}
