// What pg throws without a code: "Connection terminated unexpectedly", "timeout exceeded when trying to connect", "Query read timeout",
// "Client has encountered a connection error and is not queryable".
const OF_THE_CONNECTION = /connection|connect|timeout|not queryable/i;

/**
 * Whether an error says that the database is away, and nothing about the statement: it may be done again later. It may have been
 * done already, when the connection broke before the answer came.
 */
export function isAway(error: unknown): boolean {
  const { code, message = '' } = error as { code?: string; message?: string };
  if (code === undefined) return OF_THE_CONNECTION.test(message);
  // Classes of PostgreSQL's errors: connection, insufficient resources, operator intervention (appendix A); or errno.
  return /^(08|53|57)[0-9A-Z]{3}$/.test(code) || /^E[A-Z_]+$/.test(code);
}
