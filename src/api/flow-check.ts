import { checkFlow } from '../calls/flow/check.js';
import { problemAt } from '../calls/flow/problem.js';
import type { Flow } from '../calls/flow/schema.js';
import { destinationsOf, messagesOf, type Reference } from '../calls/flow/texts.js';
import { listUnknownMessages } from '../db/messages.js';
import type { Db } from '../db/pool.js';
import { listUnknownDestinations } from '../db/transfer-destinations.js';
import { decodeUtf8 } from './body.js';
import { type FieldError, FieldsInvalid } from './problem.js';
import { repeatedMembers } from './repeated-members.js';
import { isStorable } from './schemas/common.js';

const MOST_NAMED = 100;

/**
 * Throws a FieldsInvalid that names all that is wrong with the definition of a flow in a body. `bytes` are that body as it
 * came: a member that stands in it twice would be read once.
 */
export async function checkDefinition(
  db: Db,
  tenantId: string,
  definition: Flow,
  bytes: Buffer,
): Promise<void> {
  const repeated = repeatedMembers(decodeUtf8(bytes)).map((field) => ({
    field,
    message: 'stands here twice: keep one of them',
  }));
  const wrong = [
    ...checkFlow(definition),
    ...checkStorable(definition),
    ...(await checkReferences(db, tenantId, definition)),
  ];
  const errors: FieldError[] = [
    ...repeated,
    ...wrong.map(({ field, message }) => ({ field: `/definition${field === '/' ? '' : field}`, message })),
  ];
  if (errors.length > 0) throw new FieldsInvalid(errors.slice(0, MOST_NAMED), errors.length);
}

async function checkReferences(db: Db, tenantId: string, definition: Flow): Promise<FieldError[]> {
  const messages = messagesOf(definition);
  const destinations = destinationsOf(definition);
  const unknown = new Set(
    await listUnknownMessages(
      db,
      tenantId,
      messages.map(({ id }) => id),
    ),
  );
  const gone = await listUnknownDestinations(
    db,
    tenantId,
    destinations.map(({ id }) => id),
  );
  return [
    ...named(messages, unknown, 'is no message'),
    ...named(destinations, new Set(gone), 'is no transfer destination'),
  ];
}

function named(references: readonly Reference[], unknown: ReadonlySet<string>, message: string) {
  return references.filter(({ id }) => unknown.has(id)).map(({ at }) => problemAt(at, message));
}

/** Texts that Postgres cannot store. */
function checkStorable(value: unknown, at: readonly string[] = []): FieldError[] {
  if (typeof value === 'string')
    return isStorable(value) ? [] : [problemAt(at, 'must not hold NUL or half of a surrogate pair')];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [
    ...(isStorable(name) ? [] : [problemAt(at, 'must not have names with NUL or half of a surrogate pair')]),
    ...checkStorable(member, [...at, name]),
  ]);
}
