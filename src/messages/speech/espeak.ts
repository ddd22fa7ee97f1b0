import { languageFor } from '../../calls/flow/spoken.js';
import { CampanileError } from '../../errors.js';
import type { SpeechEngine, Voices } from './engine.js';
import { runEngine } from './run.js';

const PROGRAM = 'espeak-ng';
const ASK_MS = 10_000;
const MISSING = 'espeak-ng is not installed: the operator must run "apt-get install espeak-ng"';

/** One line of `espeak-ng --voices`. */
interface Row {
  language: string;
  gender: 'male' | 'female' | null;
  name: string;
  file: string;
  others: string[];
}

/** eSpeak NG (Debian's package espeak-ng): small, offline, some 130 languages. */
export function createEspeak(program = PROGRAM): SpeechEngine {
  let known: Promise<{ languages: Row[]; variants: Row[] }> | null = null;

  async function ask(...args: string[]): Promise<string> {
    try {
      return await runEngine([program, ...args], '', AbortSignal.timeout(ASK_MS));
    } catch (error) {
      if (!(error instanceof CampanileError) || error.code !== 'speech_missing') throw error;
      throw new CampanileError('speech_missing', MISSING, { cause: error });
    }
  }

  /** Read once; again after a failure, as it may have been installed since. */
  function rows() {
    known ??= Promise.all([ask('--voices'), ask('--voices=variant')]).then(([languages, variants]) => ({
      languages: parseVoices(languages),
      variants: parseVoices(variants),
    }));
    known.catch(() => {
      known = null;
    });
    return known;
  }

  return {
    name: PROGRAM,
    async identify() {
      const said = await ask('--version');
      return `espeak-ng ${/text-to-speech: (\S+)/.exec(said)?.[1] ?? said.trim()}`;
    },
    async voices(): Promise<Voices> {
      const { languages, variants } = await rows();
      return {
        languages: tagsOf(languages),
        voices: variants.map(({ file, name, gender }) => ({
          voice: variantOf(file),
          name: readable(name),
          gender,
        })),
      };
    },
    async speak({ text, language, voice }, output, signal) {
      const { languages } = await rows();
      const spoken = languageFor(
        language,
        tagsOf(languages).map((known) => known.language),
      );
      if (spoken === null) throw new CampanileError('speech_failed', `espeak-ng does not speak ${language}`);
      const args = ['-b', '1', '-v', voice === null ? spoken : `${spoken}+${voice}`, '-w', output, '--stdin'];
      await runEngine([program, ...args], withoutPhonemes(text), signal);
    },
  };
}

/** Each with its own name and its other names, of which the first is the best. */
function tagsOf(rows: readonly Row[]): Voices['languages'] {
  const tags = new Map(rows.map(({ language, name }) => [language, readable(name)]));
  for (const { others, name } of rows)
    for (const other of others) if (!tags.has(other)) tags.set(other, readable(name));
  return [...tags]
    .map(([language, name]) => ({ language, name }))
    .sort((a, b) => (a.language < b.language ? -1 : 1));
}

/** `[[` begins phonemes. */
function withoutPhonemes(text: string): string {
  return text.replace(/\[(?=\[)/g, '[ ');
}

/*
 * Pty Language       Age/Gender VoiceName          File                 Other Languages
 *  2  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)
 */
export function parseVoices(said: string): Row[] {
  return said.split('\n').flatMap((line) => {
    const [, language, gender, name, file, others] =
      /^\s*\d+\s+(\S+)\s+[\d-]+\/([MF-])\s+(\S+)\s+(\S+)\s*(.*)$/.exec(line) ?? [];
    if (language === undefined) return [];
    return {
      language: language.toLowerCase(),
      gender: gender === 'M' ? ('male' as const) : gender === 'F' ? ('female' as const) : null,
      name: name!,
      file: file!,
      others: [...others!.matchAll(/\((\S+) \d+\)/g)].map((other) => other[1]!.toLowerCase()),
    };
  });
}

function variantOf(file: string): string {
  return file.replace(/^.*\//, '');
}

function readable(name: string): string {
  return name.replaceAll('_', ' ');
}
