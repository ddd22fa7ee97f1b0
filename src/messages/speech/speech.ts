import { chown, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { SpokenText } from '../../calls/flow/spoken.js';
import { CampanileError } from '../../errors.js';
import { writeSoundFiles } from '../sound-files.js';
import { hashOf, removeSpoken, type SpokenSound, sweepUnused, touch } from './cache.js';
import { createSpeechQueue } from './queue.js';
import type { Renderer } from './renderer.js';

export type { SpokenSound } from './cache.js';

/**
 * Texts as sounds on this node, each rendered once and before it is needed. They hold what persons are told, so they lie apart
 * for each tenant, and go when nobody has needed them for a while.
 */
export interface Speech {
  /** The sounds of these texts in their order, at once; null when one is not there. They stay for as long as sounds are kept. */
  ready(tenantId: string, texts: readonly SpokenText[]): SpokenSound[] | null;
  /**
   * The same, once all are there. What is done `ahead` waits for what is needed now. Throws a CampanileError that says what
   * the engine said.
   */
  prepare(tenantId: string, texts: readonly SpokenText[], when?: 'now' | 'ahead'): Promise<SpokenSound[]>;
  /** The path of a text's sound without its extension, as Asterisk takes it. The file need not be there. */
  pathOf(tenantId: string, text: SpokenText): string;
  /** How many texts wait to be rendered. */
  waiting(): number;
  /** Removes what was not used for long; returns how many sounds. */
  sweep(): Promise<number>;
  /** Removes all that is a tenant's. */
  removeTenant(tenantId: string): Promise<void>;
  /** Ends what is under way, which fails. */
  stop(): Promise<void>;
}

export interface SpeechOptions {
  renderer: Renderer;
  /** Below which each tenant has a folder. */
  directory: string;
  owner: { uid: number; gid: number } | null;
  /** How many engines run at once. */
  atOnce: number;
  /** For how long an unused sound is kept. */
  keepSeconds: number;
}

/** Asks the engine who it is; where it is not there yet, that is asked again when the first text is to be spoken. */
export async function createSpeech(options: SpeechOptions): Promise<Speech> {
  const { renderer, directory, owner, keepSeconds } = options;
  const queue = createSpeechQueue(options.atOnce);
  let identity = await renderer.engine.identify().catch(() => null);

  const pathOf = (tenantId: string, text: SpokenText) =>
    join(directory, tenantId, hashOf(text, identity ?? ''));

  /** Made by root, it must not lock out a later start as the spool's owner. */
  async function makeFolder(): Promise<void> {
    const made = await mkdir(directory, { recursive: true, mode: 0o755 });
    if (made === undefined || !owner) return;
    for (let path = directory; path.length >= made.length; path = dirname(path))
      await chown(path, owner.uid, owner.gid);
  }

  async function make(tenantId: string, text: SpokenText, when: 'now' | 'ahead'): Promise<SpokenSound> {
    identity ??= await renderer.engine.identify();
    const path = pathOf(tenantId, text);
    const there = touch(path);
    if (there) return there;
    await makeFolder();
    const folder = join(directory, tenantId);
    await queue.run(path, when === 'now', async () => {
      if (touch(path)) return;
      await writeSoundFiles(folder, hashOf(text, identity!), await renderer.render(text), owner);
    });
    const made = touch(path);
    if (!made) throw new CampanileError('speech_failed', `${path}.wav has been removed`);
    return made;
  }

  return {
    pathOf,
    ready(tenantId, texts) {
      if (identity === null && texts.length > 0) return null;
      const sounds = texts.map((text) => touch(pathOf(tenantId, text)));
      return sounds.every((sound) => sound !== null) ? sounds : null;
    },
    prepare: (tenantId, texts, when = 'now') => Promise.all(texts.map((text) => make(tenantId, text, when))),
    waiting: queue.waiting,
    sweep: async () => sweepUnused(directory, keepSeconds),
    removeTenant: (tenantId) => removeSpoken(directory, tenantId),
    async stop() {
      renderer.stop();
      await queue.stop(new CampanileError('speech_failed', 'Campanile stops'));
    },
  };
}
