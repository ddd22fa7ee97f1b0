import { randomUUID } from 'node:crypto';
import { access, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SpokenText } from '../../../src/calls/flow/spoken.js';
import { createRenderer } from '../../../src/messages/speech/renderer.js';
import { createSpeech, type SpeechOptions } from '../../../src/messages/speech/speech.js';
import { folder, SPEAKS, scriptEngine } from './engines.js';

const TENANT = randomUUID();
const said = (text: string, language = 'en'): SpokenText => ({ text, language, voice: null });

async function useSpeech(script: string, over: Partial<SpeechOptions> = {}) {
  const { home, engine } = await scriptEngine(script);
  const directory = join(home, 'below', 'speech');
  const renderer = createRenderer(engine);
  const options = { renderer, directory, owner: null, atOnce: 2, keepSeconds: 3600, ...over };
  const speech = await createSpeech(options);
  const log = () =>
    readFile(join(home, 'log'), 'utf8').then(
      (text) => text.trim().split('\n'),
      () => [],
    );
  return { home, directory, options, speech, log };
}

const LOGS = `echo "$1" >> log; ${SPEAKS}`;

describe('speech', () => {
  it('is ready once it is prepared, in the four formats, below its tenant', async () => {
    const { speech, directory } = await useSpeech(LOGS);
    const texts = [said('one'), said('two')];
    expect(speech.ready(TENANT, texts)).toBe(null);
    const sounds = await speech.prepare(TENANT, texts);
    expect(sounds.map(({ path }) => path)).toEqual(texts.map((text) => speech.pathOf(TENANT, text)));
    expect(sounds[0]!.seconds).toBeCloseTo(0.5, 1);
    expect(speech.ready(TENANT, texts)).toEqual(sounds);
    const names = await readdir(join(directory, TENANT));
    expect(names.length).toBe(8);
    expect(names.every((name) => /^[0-9a-f]{64}\.(wav|ulaw|alaw|g722)$/.test(name))).toBe(true);
    expect((await stat(`${sounds[0]!.path}.wav`)).mode & 0o777).toBe(0o644);
  });

  it('has nothing to wait for without texts', async () => {
    const { speech } = await useSpeech('exit 1');
    expect(speech.ready(TENANT, [])).toEqual([]);
  });

  it('renders a text once, however many ask for it, now and later', async () => {
    const { speech, options, log } = await useSpeech(`sleep 0.1; ${LOGS}`);
    await Promise.all([1, 2, 3].map(() => speech.prepare(TENANT, [said('one')])));
    await speech.prepare(TENANT, [said('one')]);
    const restarted = await createSpeech(options);
    expect(restarted.ready(TENANT, [said('one')])).not.toBe(null);
    expect(await log()).toEqual(['one']);
  });

  it('renders again for another language, voice, tenant or engine', async () => {
    const { speech, options, log } = await useSpeech(LOGS);
    await speech.prepare(TENANT, [said('one'), said('one', 'de'), { ...said('one'), voice: 'x' }]);
    await speech.prepare(randomUUID(), [said('one')]);
    expect((await log()).length).toBe(4);
    const other = await scriptEngine(LOGS);
    const changed = await createSpeech({ ...options, renderer: createRenderer(other.engine) });
    expect(changed.ready(TENANT, [said('one')])).toBe(null);
  });

  it('fails with what the engine said, and tries again when it is asked again', async () => {
    const { home, speech } = await useSpeech(
      `[ -e works ] || { echo "out of memory" >&2; exit 1; }; ${SPEAKS}`,
    );
    await expect(speech.prepare(TENANT, [said('one')])).rejects.toThrow('status 1: out of memory');
    expect(speech.ready(TENANT, [said('one')])).toBe(null);
    await writeFile(join(home, 'works'), '');
    expect(await speech.prepare(TENANT, [said('one')])).toHaveLength(1);
  });

  it('leaves nothing behind of what failed', async () => {
    const { speech, directory } = await useSpeech('echo rubbish > "$2"');
    await expect(speech.prepare(TENANT, [said('one')])).rejects.toThrow('no WAV file');
    expect(await readdir(join(directory, TENANT)).catch(() => [])).toEqual([]);
  });

  it('runs as many engines as it may, and what is needed now before what is done ahead', async () => {
    const { home, speech, log } = await useSpeech(
      `echo "$1" >> log; while [ ! -e go ]; do sleep 0.01; done; ${SPEAKS}`,
      { atOnce: 1 },
    );
    const prepare = (when: 'now' | 'ahead', ...texts: string[]) =>
      speech.prepare(
        TENANT,
        texts.map((text) => said(text)),
        when,
      );
    const all = [prepare('ahead', 'first')];
    await expect.poll(log).toEqual(['first']);
    all.push(prepare('ahead', 'ahead 1', 'ahead 2'));
    await expect.poll(() => speech.waiting()).toBe(2);
    all.push(prepare('now', 'now', 'ahead 2'));
    await expect.poll(() => speech.waiting()).toBe(3);
    await writeFile(join(home, 'go'), '');
    await Promise.all(all);
    expect(await log()).toEqual(['first', 'ahead 2', 'now', 'ahead 1']);
  });

  it('removes what nobody has used for long, and keeps what somebody has', async () => {
    const { speech, directory } = await useSpeech(SPEAKS);
    const [old, used] = await speech.prepare(TENANT, [said('old'), said('used')]);
    const abandoned = join(directory, TENANT, `.1.${'a'.repeat(64)}.ulaw`);
    await writeFile(abandoned, '');
    const longAgo = new Date(Date.now() - 3601_000);
    for (const file of await readdir(join(directory, TENANT)))
      await utimes(join(directory, TENANT, file), longAgo, longAgo);
    expect(speech.ready(TENANT, [said('used')])).not.toBe(null);
    expect(await speech.sweep()).toBe(2);
    expect(await readdir(join(directory, TENANT))).toHaveLength(4);
    expect(speech.ready(TENANT, [said('used')])).toEqual([used]);
    expect(speech.ready(TENANT, [said('old')])).toBe(null);
    await expect(access(`${old!.path}.g722`)).rejects.toThrow();
    expect(await speech.sweep()).toBe(0);
  });

  it('removes all that is a tenant’s, and nothing else', async () => {
    const { speech, directory } = await useSpeech(SPEAKS);
    const other = randomUUID();
    await speech.prepare(TENANT, [said('one')]);
    await speech.prepare(other, [said('one')]);
    await speech.removeTenant(TENANT);
    await speech.removeTenant('..');
    expect(await readdir(directory)).toEqual([other]);
  });

  it('ends what is under way when it stops, and begins nothing more', async () => {
    const { home, speech } = await useSpeech('touch started; sleep 1000', { atOnce: 1 });
    const both = Promise.allSettled(['one', 'two'].map((text) => speech.prepare(TENANT, [said(text)])));
    await expect
      .poll(() =>
        access(join(home, 'started')).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    await speech.stop();
    for (const { status } of await both) expect(status).toBe('rejected');
    await expect(speech.prepare(TENANT, [said('three')])).rejects.toThrow('Campanile stops');
  });

  it('asks again who the engine is where it was not there at the start', async () => {
    const directory = join(await folder(), 'speech');
    let installed = false;
    const { engine } = await scriptEngine(SPEAKS);
    const identify = () => (installed ? engine.identify() : Promise.reject(new Error('not there')));
    const renderer = createRenderer({ ...engine, identify });
    const speech = await createSpeech({ renderer, directory, owner: null, atOnce: 1, keepSeconds: 60 });
    await expect(speech.prepare(TENANT, [said('one')])).rejects.toThrow('not there');
    installed = true;
    await speech.prepare(TENANT, [said('one')]);
    expect(speech.ready(TENANT, [said('one')])).not.toBe(null);
  });
});
