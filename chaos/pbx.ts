/** Asterisk in a pid namespace of its own, so that its pid can be chosen. */
export interface LabAsterisk {
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
  /** Starts it, by itself with another pid than it had, and resolves when it has fully booted. */
  start(options?: { samePid?: boolean }): Promise<void>;
  /** What `asterisk -rx command` prints. */
  cli(command: string): Promise<string>;
  readonly running: boolean;
  readonly spoolDir: string;
  readonly runDir: string;
  readonly logFile: string;
  readonly uid: number;
  readonly gid: number;
  /** Environment variables for it; what is changed here counts from the next start. */
  readonly env: Record<string, string>;
}
