import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { AgiLimits } from '../../src/agi/limits.js';
import { createAgiServer } from '../../src/agi/server.js';
import { AgiCommandError, type AgiSession, HangupError } from '../../src/agi/session.js';
import { FakeAsterisk, type FakeCall, memoryLog, parseArguments } from './fake-asterisk.js';

/** Starts a call whose script is `script`; resolves with Asterisk's end of it and what the script came to. */
async function during<T>(
  script: (session: AgiSession) => Promise<T>,
  { limits = {}, ...call }: FakeCall & { limits?: Partial<AgiLimits> } = {},
) {
  const { log, lines } = memoryLog();
  let settle: (outcome: Promise<T>) => void;
  const outcome = new Promise<T>((resolve) => {
    settle = resolve;
  });
  outcome.catch(() => {});
  const test = async (session: AgiSession) => {
    const result = script(session);
    settle(result);
    await result;
  };
  const server = createAgiServer({ port: 0, log, scripts: { test }, limits });
  const asterisk = await FakeAsterisk.call((await server.start()).port, call);
  onTestFinished(() => server.stop(0));
  return { asterisk, outcome, lines };
}

const HUNG_UP = '200 result=-1 endpos=4000';

describe('a session', () => {
  it('knows what the dialplan asked for', async () => {
    const { outcome } = await during(async ({ request }) => request, {
      script: 'test?x=1',
      args: ['a,b', ''],
    });
    const request = await outcome;
    expect(request).toMatchObject({ script: '/test', args: ['a,b', ''] });
    expect(request.query.get('x')).toBe('1');
    expect(request.variables.agi_channel).toBe('PJSIP/carrier-00000001');
  });

  it('sends the commands as Asterisk wants them and reads its answers', async () => {
    const { asterisk, outcome } = await during(async (session) => [
      await session.setVariable('__NAME', 'a "b"'),
      await session.getVariable('CDR(billsec)'),
      await session.getVariable('UNSET'),
      await session.getVariable('EMPTY'),
      await session.verbose('hello', 3),
      await session.exec('Dial', 'PJSIP/1,20'),
      await session.waitForDigit(500),
      await session.waitForDigit(500),
      await session.hangup(),
    ]);
    const commands: string[][] = [];
    const answers = ['1', '1 (12)', '0', '1 ()', '1', '0', '35', '0', '1'];
    for (const answer of answers)
      commands.push(parseArguments(await asterisk.answer(`200 result=${answer}`)));
    expect(await outcome).toEqual([undefined, '12', null, '', undefined, 0, '#', null, undefined]);
    expect(commands.map((words) => words.join('|'))).toEqual([
      'SET|VARIABLE|__NAME|a "b"',
      'GET|VARIABLE|CDR(billsec)',
      'GET|VARIABLE|UNSET',
      'GET|VARIABLE|EMPTY',
      'VERBOSE|hello|3',
      'EXEC|Dial|PJSIP/1,20',
      'WAIT|FOR|DIGIT|500',
      'WAIT|FOR|DIGIT|500',
      'HANGUP',
    ]);
  });

  it('sends no command before the one ahead of it is answered', async () => {
    const { asterisk, outcome } = await during((session) =>
      Promise.all([session.play('a'), session.play('b', '5*#')]),
    );
    await asterisk.next();
    asterisk.send('100 result=0 Trying...\n200 result=0 end');
    asterisk.send('pos=-1\n');
    expect(await asterisk.answer('200 result=53 endpos=1220')).toBe(
      'CONTROL STREAM FILE "b" "5*#" "1000" "x" "x" "x"',
    );
    expect(await outcome).toEqual([
      { digit: null, playedMs: null },
      { digit: '5', playedMs: 1_220 },
    ]);
  });
});

describe('a file', () => {
  it('that cannot be opened is a refusal, not a hangup', async () => {
    const { asterisk, outcome } = await during((session) => session.play('missing'));
    await asterisk.answer('200 result=-1 endpos=-1');
    expect(await asterisk.answer('200 result=6')).toBe('CHANNEL STATUS');
    await expect(outcome).rejects.toThrow(AgiCommandError);
    await expect(outcome).rejects.toMatchObject({
      code: 200,
      message: expect.stringContaining('STREAM FILE: 200'),
    });
  });

  it('during which the call ends tells how much of it was played, when HANGUP comes with the reply', async () => {
    const { asterisk, outcome } = await during((session) => session.play('hello'));
    await asterisk.answer(`${HUNG_UP}\nHANGUP`);
    await expect(outcome).rejects.toThrow(HangupError);
    await expect(outcome).rejects.toMatchObject({ playedMs: 4_000 });
  });

  it.each(['HANGUP\n200 result=0', '511 Command Not Permitted on a dead channel or intercept routine'])(
    'during which the call ends tells so, when the next thing that comes is %j',
    async (later) => {
      const { asterisk, outcome } = await during((session) => session.play('hello'));
      await asterisk.answer(HUNG_UP);
      expect(await asterisk.answer(later)).toBe('CHANNEL STATUS');
      await expect(outcome).rejects.toThrow(HangupError);
      await expect(outcome).rejects.toMatchObject({ playedMs: 4_000 });
    },
  );

  it('during which the connection ends is a hangup', async () => {
    const { asterisk, outcome } = await during((session) => session.play('hello'));
    await asterisk.answer(HUNG_UP);
    asterisk.close();
    await expect(outcome).rejects.toThrow(HangupError);
  });
});

describe('errors', () => {
  it('carry code and text of a refusal, and the session goes on', async () => {
    const { asterisk, outcome } = await during(async (session) => {
      const refused = await session.exec('NoSuch', 'x').catch((error: AgiCommandError) => error);
      return [refused, await session.getVariable('X')];
    });
    await asterisk.answer(
      '520-Invalid command syntax.  Proper usage follows:\nUsage: EXEC\n520 End of proper usage.',
    );
    await asterisk.answer('200 result=1 (y)');
    const [refused, value] = await outcome;
    expect(refused).toMatchObject({
      name: 'AgiCommandError',
      code: 520,
      text: expect.stringContaining('Usage: EXEC'),
    });
    expect(value).toBe('y');
  });

  it('tell of an application that Asterisk has not', async () => {
    const { asterisk, outcome } = await during((session) => session.exec('NoSuch'));
    await asterisk.answer('200 result=-2');
    await expect(outcome).rejects.toThrow('asterisk did not do EXEC NoSuch: 200 result=-2');
  });

  it.each([-1, 0.5, Number.NaN])('tell that nobody waits %d ms for a digit', async (ms) => {
    const { outcome } = await during((session) => session.waitForDigit(ms));
    await expect(outcome).rejects.toMatchObject({ code: 'agi_argument' });
  });

  it('that a script does not look at end neither it nor the process', async () => {
    const { asterisk, outcome } = await during(async (session) => {
      void session.verbose('nobody waits for this');
      void session.setVariable('BAD', 'line\nbreak');
      return session.getVariable('X');
    });
    await asterisk.answer('510 Invalid or unknown command');
    await asterisk.answer('200 result=1 (y)');
    expect(await outcome).toBe('y');
  });
});

describe('after a hangup', () => {
  it('every command throws HangupError, those that wait at once; hangup() is content', async () => {
    const { asterisk, outcome } = await during(async (session) => {
      const playing = session.play('a');
      const waiting = session.verbose('b').catch((error: Error) => error.name);
      const results = [await waiting, await playing.then(({ playedMs }) => playedMs), session.hungUp];
      await session.hangup();
      return [...results, await session.getVariable('X').catch((error: Error) => error.name)];
    });
    await asterisk.next();
    asterisk.hangUp();
    asterisk.send('200 result=0 endpos=-1\n');
    expect(await outcome).toEqual(['HangupError', null, true, 'HangupError']);
  });

  it('signal and listeners fire once, those registered late too, those taken away not', async () => {
    const early = vi.fn();
    const late = vi.fn();
    const gone = vi.fn();
    const { asterisk, outcome } = await during(async (session) => {
      session.onHangup(gone)();
      session.onHangup(early);
      const { signal } = session;
      await new Promise<void>((resolve) => session.onHangup(resolve));
      await new Promise<void>((resolve) => {
        session.onHangup(late);
        session.onHangup(resolve);
      });
      return signal === session.signal && signal.aborted && signal.reason;
    });
    asterisk.send('HANGUP\nHANGUP\n');
    asterisk.close();
    expect(await outcome).toBeInstanceOf(HangupError);
    await asterisk.closed;
    expect([early, late, gone].map(({ mock }) => mock.calls.length)).toEqual([1, 1, 0]);
  });

  it('a signal asked for late is aborted already', async () => {
    const { asterisk, outcome } = await during(async (session) => {
      await new Promise<void>((resolve) => session.onHangup(resolve));
      return session.signal.aborted;
    });
    asterisk.reset();
    expect(await outcome).toBe(true);
  });

  it('a listener that throws is logged and ends nothing', async () => {
    const { asterisk, outcome, lines } = await during(async (session) => {
      session.onHangup(() => {
        throw new Error('a fault in a listener');
      });
      await new Promise<void>((resolve) => session.onHangup(resolve));
      return 'over';
    });
    asterisk.hangUp();
    expect(await outcome).toBe('over');
    await vi.waitFor(() =>
      expect(lines.map(({ msg }) => msg)).toContain('agi session: a fault in a listener'),
    );
  });
});

describe('limits', () => {
  it('end the session when a command takes longer than it may, and AGISTATUS is FAILURE', async () => {
    const { asterisk, outcome } = await during(async (session) => {
      await session.setVariable('A', '1');
      const late = await session.waitForDigit(10, { timeoutMs: 30 }).catch((error: Error) => error);
      return [late, session.hungUp, await session.verbose('x').catch((error: Error) => error.name)];
    });
    await asterisk.answer('200 result=1');
    await asterisk.next();
    const [late, ...rest] = await outcome;
    expect(late).toMatchObject({ code: 'agi_timeout', message: expect.stringContaining('more than 30 ms') });
    expect(rest).toEqual([true, 'HangupError']);
    expect(await asterisk.next()).toBe('failure');
    await asterisk.closed;
  });

  it('end the session of a script that does nothing, though not while a command is under way', async () => {
    const script = async (session: AgiSession) => {
      await session.waitForDigit(1_000);
      await new Promise<void>((resolve) => session.onHangup(resolve));
    };
    const limits = { idleTimeoutMs: 40 };
    const { asterisk, outcome, lines } = await during(script, { limits });
    await asterisk.next();
    // Another session that idles from now on is the clock.
    const clock = await during((session) => new Promise<void>((resolve) => session.onHangup(resolve)), {
      limits,
    });
    expect(await clock.asterisk.next()).toBe('failure');
    asterisk.send('200 result=0\n');
    expect(await asterisk.next()).toBe('failure');
    await outcome;
    expect(lines.map(({ msg }) => msg)).toEqual([
      'agi session: cannot go on with an agi session: the script took more than 40 ms',
    ]);
  });
});
