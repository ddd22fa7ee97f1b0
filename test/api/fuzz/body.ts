import type { BodyPlan, Edit, Spoil } from './plan.js';

/** The bytes of a planned body; `usual` is a body that would do. */
export function bytesOf({ from, edits, spoil }: BodyPlan, usual: unknown): Buffer | undefined {
  if (Buffer.isBuffer(usual))
    return 'text' in from ? Buffer.from(from.text) : spoilt(usual.toString('latin1'), spoil, 'latin1');
  if ('text' in from) return Buffer.from(from.text);
  if (typeof usual === 'string') return spoilt(textOf(usual, edits), spoil, 'utf8');
  if (usual === undefined && 'members' in from) return undefined;
  const value =
    'value' in from ? from.value : Array.isArray(usual) ? usual : { ...(usual as object), ...from.members };
  return spoilt(JSON.stringify(edits.reduce(edited, structuredClone(value))) ?? '', spoil, 'utf8');
}

/** Lines of CSV or NDJSON with hostile words between them. */
function textOf(usual: string, edits: readonly Edit[]): string {
  return edits.reduce((text, { at, value }) => {
    const word = typeof value === 'string' ? value : JSON.stringify(value);
    return `${text.slice(0, at)}${word}${text.slice(at)}`;
  }, usual);
}

type Place = { holder: Record<string, unknown> | unknown[]; key: string | number };

function edited(value: unknown, { at, how, name, value: shared }: Edit): unknown {
  const by = structuredClone(shared);
  const places = placesIn(value);
  const place = places[at % (places.length + 1)];
  if (!place) return how === 'remove' ? value : by;
  const holder = place.holder as Record<string | number, unknown>;
  if (how === 'remove') delete holder[place.key];
  else if (how === 'add' && !Array.isArray(holder)) define(holder, name, by);
  else holder[place.key] = by;
  return value;
}

function define(holder: object, name: string, value: unknown): void {
  Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
}

function placesIn(value: unknown, depth = 0): Place[] {
  if (typeof value !== 'object' || value === null || depth > 8) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder)
    .slice(0, 50)
    .flatMap((key) => [{ holder, key }, ...placesIn(holder[key], depth + 1)]);
}

function spoilt(text: string, spoil: Spoil, encoding: 'utf8' | 'latin1'): Buffer {
  const bytes = (changed: string) => Buffer.from(changed, encoding);
  switch (spoil) {
    case 'cut':
      return bytes(text.slice(0, Math.floor(text.length / 2)));
    case 'twice':
      return bytes(text.replace(/"(\w+)":/, '"$1":null,"$1":'));
    case 'proto':
      return bytes(text.replace('{', '{"__proto__":{"admin":true},"constructor":{"prototype":{}},'));
    case 'mark':
      return Buffer.concat([Buffer.from('\ufeff'), bytes(text)]);
    case 'bytes':
      return Buffer.concat([
        bytes(text.slice(0, -2)),
        Buffer.from([0xff, 0xc0, 0x80]),
        bytes(text.slice(-2)),
      ]);
    case 'wrapped':
      return bytes(`[${text}]`);
    case 'deep':
      return bytes('[{"a":'.repeat(10_000));
    default:
      return bytes(text);
  }
}
