/** `campanile serve` of the chaos build, as a process of its own. */
export interface CampanileProgram {
  /** Starts it, and resolves when all of it runs; throws with what it said when it ends instead. */
  start(): Promise<void>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Null while it does not run. */
  readonly pid: number | null;
  /** Environment variables beside those of the lab; what is changed here counts from the next start. */
  readonly env: Record<string, string>;
  /** Kills itself with SIGKILL when it passes the fail point `name` for the `nth` time from now. */
  arm(name: string, nth: number): Promise<void>;
  /** Takes that back; false when it had been passed. */
  disarm(): Promise<boolean>;
  /** What it has written to stderr, all starts together. */
  readonly logFile: string;
}
