import type { SpokenText } from '../../calls/flow/spoken.js';
import type { Config } from '../../config.js';
import { createCommandEngine } from './command.js';
import type { SpeechEngine } from './engine.js';
import { createEspeak } from './espeak.js';
import { createRenderer } from './renderer.js';

/** The engine of this installation: the operator's command line, or espeak-ng. */
export function configuredEngine({ speech }: Pick<Config, 'speech'>): SpeechEngine {
  return speech.command === null ? createEspeak() : createCommandEngine(speech.command);
}

/** The same as the API uses it, where nothing is kept: somebody wants to hear how a text sounds. */
export function speechForApi(config: Pick<Config, 'speech'>) {
  const { engine, render } = createRenderer(configuredEngine(config));
  return {
    engine: engine.name,
    voices: engine.voices,
    speak: async (text: SpokenText) => (await render(text)).wav,
  };
}
