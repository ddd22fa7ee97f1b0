/** Prints what was measured against its limit, and knows in the end whether all limits were kept. */
export function createVerdict() {
  let all = true;
  return {
    say(what: string, kept: boolean): void {
      all &&= kept;
      console.log(`  ${what}: ${kept ? 'kept' : 'NOT KEPT'}`);
    },
    get isKept(): boolean {
      return all;
    },
  };
}
