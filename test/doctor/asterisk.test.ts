import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askAsterisk } from '../../src/asterisk-console.js';
import { checkAsterisk, checkModules, MODULES } from '../../src/doctor/asterisk.js';
import { packageRoot } from '../../src/root.js';

let runDir: string;
let server: Server | undefined;
beforeEach(async () => {
  runDir = await mkdtemp(join(tmpdir(), 'campanile-run-'));
});
afterEach(async () => {
  await new Promise<void>((done) => (server ? server.close(() => done()) : done()));
  server = undefined;
  await rm(runDir, { recursive: true, force: true });
});

/** An Asterisk of which only the console is there; it says `banner` and what `answer` gives for a command. */
async function console(answer: (command: string) => string | null): Promise<void> {
  const listening = createServer((socket) => {
    socket.write('pbx/4711/22.10.1\n');
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const command = /^cli quit after (.*)\0$/.exec(data.toString())?.[1];
      const text = command === undefined ? null : answer(command);
      if (text !== null) socket.end(text);
    });
  });
  server = listening;
  await new Promise<void>((done) => listening.listen(join(runDir, 'asterisk.ctl'), done));
}

const table = (modules: readonly string[]) =>
  `Module  Description  Use Count  Status  Support Level\n${modules
    .map((name) => `${`${name}.so`.padEnd(31)}What it is for      0          Running              core\n`)
    .join('')}${modules.length} modules loaded\n`;

describe('the console of Asterisk', () => {
  it('is asked as asterisk -rx does, and its chatter left out', async () => {
    await console((command) => `\x7f\x03 -- a verbose line\n${command}: yes\nand more\n`);
    expect(await askAsterisk(runDir, 'core show version')).toBe('core show version: yes\nand more\n');
  });

  it('is given up when it says nothing', async () => {
    await console(() => null);
    await expect(askAsterisk(runDir, 'module show', 50)).rejects.toMatchObject({
      code: 'asterisk_silent',
      message: `cannot ask Asterisk at ${runDir}/asterisk.ctl: no answer within 50 ms`,
    });
  });

  it('is not mistaken for a file of that name', async () => {
    await writeFile(join(runDir, 'asterisk.ctl'), '');
    await expect(askAsterisk(runDir, 'module show')).rejects.toThrow('it is not a socket');
  });
});

describe('the check of modules and dialplan', () => {
  it('looks for the modules that the dialplan says it needs', async () => {
    const text = await readFile(join(packageRoot, 'dialplan/campanile.conf'), 'utf8');
    const named = /Modules needed:([\s\S]*?)(?:; for transfers|\.\n)/.exec(text)?.[1];
    expect(named?.match(/\w+_\w+/g)?.toSorted()).toEqual(MODULES.toSorted());
  });

  it('names those that are missing or do not run', () => {
    const shown = table(MODULES.filter((name) => name !== 'app_stack')).replace(
      /^(res_agi.*)Running /m,
      '$1Not Running ',
    );
    const { findings, spoolModule } = checkModules(shown);
    expect(spoolModule).toBe(true);
    expect(findings[1]).toMatchObject({ result: 'failed', detail: 'not loaded: res_agi, app_stack' });
    expect(findings[1]?.remedy[0]).toBe(
      "asterisk -rx 'module load res_agi.so'; asterisk -rx 'module load app_stack.so'",
    );
  });

  it('tells an old dialplan by the contexts that it lacks', async () => {
    await console((command) => {
      if (command === 'core show version') return 'Asterisk 22.10.1 built by x @ y on a z\n';
      if (command === 'module show') return table(MODULES);
      const context = command.replace('dialplan show ', '');
      return context === 'campanile-doctor'
        ? `There is no existence of '${context}' context\n`
        : `[ Context '${context}' created by 'pbx_config' ]\n`;
    });
    const { findings, dialplan } = await checkAsterisk({ asteriskRunDir: runDir });
    expect(dialplan).toBe(false);
    expect(findings[0]?.detail).toMatch(/^Asterisk 22\.10\.1 runs since 20/);
    expect(findings.at(-1)).toMatchObject({
      result: 'failed',
      detail: 'an old campanile.conf is included: there is no context campanile-doctor',
    });
  });
});
