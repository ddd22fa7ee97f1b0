/** A TCP relay between Asterisk and our FastAGI. */
export interface AgiRelay {
  /** 127.0.0.1's. */
  readonly port: number;
  /** Hands on what comes. What was stalled is dropped. */
  pass(): void;
  /** Refuses connections, and breaks those that there are. */
  refuse(): void;
  /** Accepts connections, and neither hands anything on nor answers. */
  stall(): void;
  /** Hands on so many bytes a second in each direction of each connection. */
  slow(bytesPerSecond: number): void;
  stop(): Promise<void>;
}
