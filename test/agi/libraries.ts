import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import dingDong from 'ding-dong';
import { vi } from 'vitest';
import type { AgiLimits } from '../../src/agi/limits.js';
import { createAgiServer } from '../../src/agi/server.js';
import { memoryLog } from './fake-asterisk.js';

/** A call as a script of either library sees it. */
export type Call = {
  variables: Record<string, string>;
  play(name: string, digits: string): Promise<{ digit: string | null; playedMs: number | null }>;
  setVariable(name: string, value: string): Promise<unknown>;
  onHangup(listener: () => void): void;
};
export type Script = (call: Call) => void;
export type Options = { limits?: Partial<AgiLimits>; anywhere?: boolean };
export type Server = { port: number; address: string; stop(): Promise<unknown> };
/** One library under test; `patience` is how many milliseconds a scenario waits for what should happen. */
export type Library = { patience: number; start(script: Script, options?: Options): Promise<Server> };

export const ours: Library = {
  patience: 5_000,
  async start(script, { limits = {}, anywhere } = {}) {
    const server = createAgiServer({
      ...(anywhere ? {} : { host: '127.0.0.1' }),
      port: 0,
      log: memoryLog().log,
      limits,
      scripts: {
        test: async (session) => {
          const commands: Promise<unknown>[] = [];
          const begun = <T>(command: Promise<T>) => {
            commands.push(command);
            return command;
          };
          await new Promise<void>((resolve) => {
            session.onHangup(resolve);
            script({
              variables: session.request.variables,
              play: (name, digits) => begun(session.play(name, digits)),
              setVariable: (name, value) => begun(session.setVariable(name, value)),
              onHangup: (listener) => session.onHangup(listener),
            });
          });
          await Promise.allSettled(commands);
        },
      },
    });
    const address = vi.spyOn(net.Server.prototype, 'address');
    const { port } = await server.start();
    const bound = address.mock.results.at(-1)?.value as AddressInfo;
    address.mockRestore();
    return { port, address: bound.address, stop: () => server.stop(0) };
  },
};

export const bare: Library = {
  patience: 120,
  async start(script, { anywhere } = {}) {
    const agi = dingDong((context) => {
      context.on('error', () => {});
      context.onEvent('variables').then((variables) =>
        script({
          variables: variables as Record<string, string>,
          async play(name, digits) {
            const { result } = await context.streamFile(name, digits);
            return { digit: String.fromCharCode(Number(result)), playedMs: Number.NaN };
          },
          setVariable: (name, value) => context.setVariable(name, value),
          onHangup: (listener) => void context.onEvent('hangup').then(listener),
        }),
      );
    });
    // As a string the zero is not taken for "no port given".
    const free = '0' as unknown as number;
    const server = anywhere ? agi.start(0) : agi.start(free, '127.0.0.1');
    await once(server, 'listening');
    const { port, address } = server.address() as AddressInfo;
    return { port, address, stop: async () => server.close() };
  },
};
