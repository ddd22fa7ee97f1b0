import { escapeKey } from './check.js';

/** More are not told: a pointer may be as long as the text is deep. */
const MOST_TOLD = 100;

/**
 * JSON pointers to the members of an object that stand there more than once, of JSON that `JSON.parse` takes: it keeps the last
 * of them and says nothing (RFC 8259 section 4). Each pointer comes once, and no more than the first hundred.
 */
export function repeatedMembers(json: string): string[] {
  const found = new Set<string>();
  const open: Scope[] = [];
  // Strings, and what opens, closes and parts; all else is of no concern.
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    const scope = open.at(-1);
    if (token === '{') open.push({ names: new Set(), repeated: new Set(), name: null });
    else if (token === '[') open.push({ names: null, index: 0 });
    else if (token === '}' || token === ']') open.pop();
    else if (token === ',' && scope) pass(scope);
    else if (token.startsWith('"') && scope?.names && scope.name === null) {
      scope.name = JSON.parse(token) as string;
      if (scope.names.has(scope.name) && !scope.repeated.has(scope.name)) {
        scope.repeated.add(scope.name);
        found.add(pointerTo(open));
        if (found.size === MOST_TOLD) break;
      }
      scope.names.add(scope.name);
    }
  }
  return [...found];
}

/** An object with the names that it has had so far and the one whose value is read, or a list with the index that is read. */
type Scope =
  | { names: Set<string>; repeated: Set<string>; name: string | null }
  | { names: null; index: number };

function pass(scope: Scope): void {
  if (scope.names) scope.name = null;
  else scope.index += 1;
}

function pointerTo(open: readonly Scope[]): string {
  return `/${open.map((scope) => escapeKey(scope.names ? scope.name! : scope.index)).join('/')}`;
}
