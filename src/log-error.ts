/** An error as a log line has it. */
export interface ErrorLine {
  type: string;
  message: string;
  code?: string;
  /** Of Postgres: the constraint that a row broke. */
  constraint?: string;
  stack: string;
  errors?: string[];
}

/** Causes of causes, so many at most: one may be its own. */
const MOST_CAUSES = 8;

/**
 * What a log may say of an error and its causes: nothing but what is named here. Errors carry more with them: Postgres' `detail`
 * and `where` the row or the parameters, numbers and passwords among them; those of Node's URL the whole address.
 */
export function describeError(error: unknown): ErrorLine | string {
  if (!(error instanceof Error))
    return typeof error === 'object' ? 'no error' : withoutSecrets(String(error));
  const chain = chainOf(error);
  const { code, constraint, errors } = error as { code?: unknown; constraint?: unknown; errors?: unknown };
  return {
    type: error.constructor.name,
    message: chain.map(sayable).filter(Boolean).join(': '),
    ...(code === undefined ? {} : { code: String(code) }),
    ...(typeof constraint === 'string' ? { constraint } : {}),
    stack: chain.map(stackOf).join('\ncaused by: '),
    ...(Array.isArray(errors) ? { errors: errors.map(sayable) } : {}),
  };
}

function chainOf(error: Error): Error[] {
  const chain = [error];
  for (let { cause } = error; cause instanceof Error && chain.length < MOST_CAUSES; { cause } = cause) {
    chain.push(cause);
  }
  return chain;
}

function stackOf(error: Error): string {
  // Its first lines are the message.
  const frames = (error.stack ?? '').split('\n').filter((line) => /^ {4}at /.test(line));
  return [`${error.name}: ${sayable(error)}`, ...frames].join('\n');
}

function sayable(error: unknown): string {
  if (!(error instanceof Error)) return withoutSecrets(String(error));
  return withoutSecrets(isQuoting(error) ? error.message.replace(/:.*$/s, '') : error.message);
}

/**
 * Behind the colon PostgreSQL's class 22 quotes the value that it could not read, as `invalid input syntax for type uuid: "..."`,
 * and a speech engine the text that it could not speak.
 */
function isQuoting(error: Error): boolean {
  const code = 'code' in error ? String(error.code) : '';
  return code === 'speech_failed' || ('severity' in error && code.startsWith('22'));
}

/** User and password of a URL are left out. */
function withoutSecrets(text: string): string {
  return text.replace(/(\w:\/\/)[^\s/@]*@/g, '$1...@');
}
