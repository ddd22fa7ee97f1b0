import { access, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { SpokenText } from '../../../src/calls/flow/spoken.js';
import { createCommandEngine } from '../../../src/messages/speech/command.js';
import { createEspeak, parseVoices } from '../../../src/messages/speech/espeak.js';
import { createRenderer } from '../../../src/messages/speech/renderer.js';
import { parseWav, wavSamples } from '../../../src/messages/wav.js';
import { folder, SPEAKS, scriptEngine } from './engines.js';

const said = (text: string, over: Partial<SpokenText> = {}): SpokenText => ({
  text,
  language: 'en',
  voice: null,
  ...over,
});
const seconds = (wav: Buffer) => parseWav(wav).seconds;
const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

describe('espeak-ng', () => {
  const renderer = createRenderer(createEspeak());
  const speak = (text: string, over: Partial<SpokenText> = {}) => renderer.render(said(text, over));

  it('says its version and what it speaks', async () => {
    expect(await renderer.engine.identify()).toMatch(/^espeak-ng \d+\.\d+/);
    const voices = await renderer.engine.voices();
    expect(voices!.languages).toContainEqual({ language: 'de', name: 'German' });
    expect(voices!.languages.map(({ language }) => language)).toEqual(
      expect.arrayContaining(['en', 'en-gb', 'zh', 'pt-br']),
    );
    expect(voices!.voices).toContainEqual({ voice: 'f3', name: 'female3', gender: 'female' });
    expect(voices!.languages.length).toBeGreaterThan(80);
  });

  it('speaks a text, which is heard and is longer the longer the text', async () => {
    const short = await speak('Hello.');
    const long = await speak('Dear Ada, your appointment is on November 25, 2026 at 2:30 PM.');
    expect(seconds(short.wav)).toBeGreaterThan(0.3);
    expect(seconds(long.wav)).toBeGreaterThan(seconds(short.wav) + 3);
    expect(Math.max(...wavSamples(long.wav))).toBeGreaterThan(5000);
    expect(long.ulaw!.length).toBe(Math.round(seconds(long.wav) * 8000));
    expect(Math.abs(long.g722!.length - long.ulaw!.length)).toBeLessThan(200);
  });

  it('speaks each language and voice in its own way', async () => {
    const [english, german, austrian, female] = await Promise.all([
      speak('Zeit'),
      speak('Zeit', { language: 'de' }),
      speak('Zeit', { language: 'de-AT' }),
      speak('Zeit', { language: 'de', voice: 'f3' }),
    ]);
    expect(german.wav).not.toEqual(english.wav);
    expect(austrian.wav).toEqual(german.wav);
    expect(female.wav).not.toEqual(german.wav);
  });

  it('refuses a language that it does not speak', async () => {
    await expect(speak('x', { language: 'tlh-x' })).rejects.toMatchObject({
      code: 'speech_failed',
      message: 'espeak-ng does not speak tlh-x',
    });
  });

  it.each(['-v de hello', '--version', '-f /etc/passwd', "'; rm x; '$(touch y)`touch z`"])(
    'takes %s for words',
    async (text) => {
      expect(seconds((await speak(text)).wav)).toBeGreaterThan(0.5);
    },
  );

  it('does not take [[ for phonemes, nor < for markup', async () => {
    const [phonemes, apart] = await Promise.all([speak("[[h@l'oU]]"), speak("[ [h@l'oU]]")]);
    expect(phonemes.wav).toEqual(apart.wav);
    const marked = await speak('one <break time="5s"/> two');
    const plain = await speak('one break time equals five s slash two');
    expect(seconds(marked.wav)).toBeLessThan(seconds(plain.wav) + 2);
  });

  it('says what to do where it is not installed', async () => {
    const missing = createEspeak('espeak-that-is-not-there');
    await expect(missing.identify()).rejects.toMatchObject({ code: 'speech_missing' });
    await expect(createRenderer(missing).render(said('x'))).rejects.toThrow('apt-get install espeak-ng');
  });

  it('is found once it is installed', async () => {
    const home = await folder();
    const program = join(home, 'espeak-ng');
    const late = createEspeak(program);
    await expect(late.voices()).rejects.toMatchObject({ code: 'speech_missing' });
    await writeFile(program, '#!/bin/sh\nexec espeak-ng "$@"\n', { mode: 0o755 });
    expect((await late.voices())!.languages.length).toBeGreaterThan(80);
  });

  it('lists languages by their own and their other names', () => {
    const rows = parseVoices(
      [
        'Pty Language       Age/Gender VoiceName          File                 Other Languages',
        ' 2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)',
        ' 5  cmn             --/M      Chinese_(Mandarin,_latin_as_English) sit/cmn              (zh-cmn 5)(zh 5)',
        ' 5  variant         40/F      Annie              !v/Annie             ',
      ].join('\n'),
    );
    expect(rows.map(({ language, others, gender }) => [language, others, gender])).toEqual([
      ['en-gb', ['en'], 'male'],
      ['cmn', ['zh-cmn', 'zh'], 'male'],
      ['variant', [], 'female'],
    ]);
  });
});

describe('a command line of the operator', () => {
  const render = async (script: string, text = said('Hello'), limit = 20) => {
    const { home, engine } = await scriptEngine(script);
    return { home, result: createRenderer(engine, limit).render(text) };
  };

  it('gets text, language, voice and output, and the text on its standard input', async () => {
    const script = `printf '%s|' "$1" "$3" "$4" > args; cat > input; ${SPEAKS}`;
    const { home, result } = await render(
      script,
      said('Höre {voice} $(x) "q"', { language: 'de', voice: 'thorsten' }),
    );
    expect(seconds((await result).wav)).toBeCloseTo(0.5, 1);
    expect(await readFile(join(home, 'args'), 'utf8')).toBe('Höre {voice} $(x) "q"|de|thorsten|');
    expect(await readFile(join(home, 'input'), 'utf8')).toBe('Höre {voice} $(x) "q"');
  });

  it('gets no text as an option', async () => {
    const { home, result } = await render(`printf '%s' "$1" > args; ${SPEAKS}`, said('-rf /'));
    await result;
    expect(await readFile(join(home, 'args'), 'utf8')).toBe(' -rf /');
  });

  it('sees nothing of our secrets', async () => {
    process.env.CAMPANILE_SECRET_OF_THIS_TEST = 'x';
    process.env.DATABASE_URL_OF_THIS_TEST = 'kept';
    const { home, result } = await render(`env > env; ${SPEAKS}`);
    await result;
    const env = await readFile(join(home, 'env'), 'utf8');
    expect(env).not.toContain('CAMPANILE_');
    expect(env).toContain('DATABASE_URL_OF_THIS_TEST=kept');
  });

  it.each([
    ['fails', 'echo first; echo "no such model" >&2; exit 3', /ended with status 3: no such model$/],
    ['fails with much to say', 'seq 100000 >&2; exit 1', /99998 \/ 99999 \/ 100000$/],
    ['writes nothing', 'true', /no WAV file of 16-bit PCM: there is no file/],
    ['writes rubbish', 'echo RIFFRAFF > "$2"', /no WAV file of 16-bit PCM: the audio is not a WAV file/],
    ['writes half a file', 'head -c 1000 tone.wav > "$2"', /is cut off/],
    ['writes a header only', 'head -c 40 tone.wav > "$2"; printf "\\0\\0\\0\\0" >> "$2"', /it is empty/],
    ['writes silence', '{ head -c 44 tone.wav; head -c 8000 /dev/zero; } > "$2"', /nothing but silence/],
    ['is killed', 'kill -9 $$', /ended with SIGKILL/],
  ])('that %s is told with its words', async (_, script, words) => {
    const { result } = await render(script);
    await expect(result).rejects.toMatchObject({ code: 'speech_failed' });
    await expect(result).rejects.toThrow(words);
  });

  it('that hangs is ended, with all that it started', async () => {
    const { home, result } = await render('sleep 1000 & echo $! > child; wait', said('x'), 0.3);
    await expect(result).rejects.toThrow('the engine took longer than 0.3 s');
    const child = Number(await readFile(join(home, 'child'), 'utf8'));
    await expect.poll(async () => (await isThere(`/proc/${child}`)) && !(await isZombie(child))).toBe(false);
  });

  it('that leaves somebody behind who holds its output does not hold us up', async () => {
    const { result } = await render(`sleep 1000 & ${SPEAKS}`, said('x'), 10);
    expect(seconds((await result).wav)).toBeCloseTo(0.5, 1);
  });

  it('is ended when Campanile stops', async () => {
    const { home, engine } = await scriptEngine('touch started; sleep 1000');
    const renderer = createRenderer(engine);
    const result = renderer.render(said('x'));
    await expect.poll(() => isThere(join(home, 'started'))).toBe(true);
    renderer.stop();
    await expect(result).rejects.toThrow('Campanile stops');
  });

  it('that cannot be run is told', async () => {
    const renderer = createRenderer(createCommandEngine(['/no/such/engine', '{output}']));
    await expect(renderer.render(said('x'))).rejects.toMatchObject({ code: 'speech_missing' });
  });

  it('may write any rate and two channels', async () => {
    const script = 'ffmpeg -v error -y -i tone.wav -ar 44100 -ac 2 "$2"';
    expect(seconds((await (await render(script)).result).wav)).toBeCloseTo(0.5, 1);
  });
});

async function isZombie(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return / [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1).slice(0, 2));
}
