import { route } from '../route.js';
import { voices } from '../schemas/message.js';

export const getVoices = route({
  method: 'get',
  path: '/v1/voices',
  access: 'token',
  summary: 'The languages and voices of the speech engine',
  answer: voices,
  problems: ['speech_missing', 'speech_failed'],
  async handle({ speech }) {
    const known = await speech.voices();
    return { engine: speech.engine, languages: known?.languages ?? null, voices: known?.voices ?? null };
  },
});
