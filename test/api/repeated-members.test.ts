import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { repeatedMembers } from '../../src/api/repeated-members.js';

describe('members that stand in JSON more than once', () => {
  it.each([
    ['{"a": 1, "b": 2, "a": 3, "a": 4}', ['/a']],
    ['{"keys": {"1": "x", "2": "y", "1": "z"}}', ['/keys/1']],
    ['{"a": {"x": 1}, "b": {"x": 1}, "x": [{"x": 1}, {"x": 1}]}', []],
    ['[{"a": 1}, {"a": 1, "a": [1, {"b/~": 2, "b/~": 3}]}]', ['/1/a', '/1/a/1/b~1~0']],
    ['{"a": "b", "b": "a"}', []],
    ['{"a": "{\\"a\\": 1, \\\\", "b": ["a", "a", ":"]}', []],
    ['{"\\u0061": 1, "a": 2}', ['/a']],
    ['{"": 1, "": 2, "__proto__": 1, "__proto__": 2}', ['/', '/__proto__']],
    ['"a"', []],
    ['{}', []],
  ])('are found in %s', (json, expected) => {
    expect(repeatedMembers(json)).toEqual(expected);
  });

  it('are none in what was written by JSON.stringify', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(0, 2), (value, indent) => {
        expect(repeatedMembers(JSON.stringify(value, null, indent))).toEqual([]);
      }),
    );
  });

  it('are found wherever one is put', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), fc.array(fc.string()), (value, name, path) => {
        const [member, rest] = [JSON.stringify(name), JSON.stringify(value)];
        const object = `{${member}: ${rest}, ${JSON.stringify(`other${name}`)}: ${rest}, ${member}: ${rest}}`;
        const json = path.reduceRight((inner, outer) => `[{${JSON.stringify(outer)}: ${inner}}]`, object);
        expect(repeatedMembers(json)).toHaveLength(1);
        expect(repeatedMembers(json)[0]).toContain(name.replaceAll('~', '~0').replaceAll('/', '~1'));
      }),
    );
  });

  it('are told up to a hundred, however deep they lie and often they come', () => {
    // In a time that grows with the square of the depth this would take minutes.
    const deep = `${'{"a":1,"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`;
    expect(repeatedMembers(deep)).toHaveLength(100);
    const often = `${'{"b":'.repeat(10_000)}{${'"a":1,'.repeat(30_000)}"a":1}${'}'.repeat(10_000)}`;
    expect(repeatedMembers(often)).toHaveLength(1);
  });
});
