/** Something that is wrong with a flow. */
export interface Problem {
  /** A JSON pointer (RFC 6901) into the flow, such as `/steps/ask/keys/1`; `/` is the whole. */
  field: string;
  /** A sentence without its subject, which says what to do. */
  message: string;
}

/** A problem of the member that is found under these names. */
export function problemAt(at: readonly (string | number)[], message: string): Problem {
  const field = `/${at.map((name) => String(name).replaceAll('~', '~0').replaceAll('/', '~1')).join('/')}`;
  return { field, message };
}
