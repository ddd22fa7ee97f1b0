/** Lines of text, gathered as bytes. */
export interface Lines {
  add(line: string): void;
  clear(): void;
  /** How many bytes there are. */
  readonly size: number;
  /** All of them, until `clear`. */
  bytes(): Uint8Array;
}

/**
 * Room for lines of about `expected` bytes in all. Lines become bytes at once: text that was put together keeps all of its
 * parts until somebody reads it, which is longer than the garbage collector takes for short.
 */
export function createLines(expected: number): Lines {
  let room = Buffer.allocUnsafeSlow(expected);
  let size = 0;
  return {
    add(line) {
      const most = size + line.length * 3; // UTF-8 has no more for one of JavaScript's
      if (most > room.length) room = Buffer.concat([room], most * 2);
      size += room.write(line, size);
    },
    clear() {
      size = 0;
    },
    get size() {
      return size;
    },
    bytes: () => room.subarray(0, size),
  };
}
