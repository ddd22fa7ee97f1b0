import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { renderWav } from '../../src/messages/wav.js';
import { createTenant, silence, type TenantOnApi } from './fixtures.js';
import { useApi } from './use.js';

let tenant: TenantOnApi;
const api = useApi();
beforeAll(async () => {
  tenant = await createTenant(api);
});

const upload = (query: string, body: Buffer, type = 'audio/wav') =>
  api.send('POST', `/v1/messages${query}`, { token: tenant.token, body, type });

describe('messages', () => {
  it('are stored by the hash of their audio and come back as they were', async () => {
    const made = await upload('?name=Evening%20bells', silence);
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      name: 'Evening bells',
      sha256: createHash('sha256').update(silence).digest('hex'),
      seconds: 0.5,
      bytes: silence.length,
    });
    const { token } = tenant;
    const audio = await api.send('GET', `/v1/messages/${made.json.id}/audio`, { token });
    expect(audio.headers.get('Content-Type')).toBe('audio/wav');
    expect(audio.bytes).toEqual(silence);
    expect((await api.send('GET', `/v1/messages/${made.json.id}`, { token })).json).toEqual(made.json);
    expect((await api.send('GET', '/v1/messages', { token })).json.data).toContainEqual(made.json);
  });

  it.each(['audio/x-wav', 'audio/wave', 'audio/vnd.wave', 'Audio/WAV; codec=1'])(
    'come as %s too',
    async (type) => {
      expect((await upload('?name=Bells', silence, type)).status).toBe(201);
    },
  );

  it('are refused when Asterisk could not play them, with the command that helps', async () => {
    const fast = renderWav(Buffer.alloc(100));
    fast.writeUInt32LE(16_000, 24);
    for (const body of [fast, Buffer.from('mp3'), silence.subarray(0, 100)]) {
      const reply = await upload('?name=Bells', body);
      expect(reply.status).toBe(422);
      expect(reply.json.code).toBe('audio_unusable');
      expect(reply.json.detail).toContain('sox in.wav -r 8000 -c 1 -b 16 out.wav');
    }
  });

  it('are refused empty', async () => {
    const reply = await upload('?name=Bells', Buffer.alloc(0));
    expect(reply.json).toMatchObject({ code: 'audio_unusable', detail: expect.stringContaining('empty') });
  });

  it('are refused without a name, and with one that cannot be stored', async () => {
    for (const query of ['', '?name=', '?name=%20', '?name=a%00b', `?name=${'x'.repeat(201)}`]) {
      const reply = await upload(query, silence);
      expect(reply.status).toBe(422);
      expect(reply.json.errors[0].field).toBe('?name');
    }
  });

  it('are refused as another type', async () => {
    expect((await upload('?name=Bells', silence, 'audio/mpeg')).json.code).toBe('content_type_unsupported');
  });

  it('are taken up to 10 MiB and not a byte more', async () => {
    const limit = 10 * 1024 * 1024;
    const whole = await upload('?name=Long', renderWav(Buffer.alloc(limit - 44)));
    expect(whole.json).toMatchObject({ bytes: limit });
    const more = await upload('?name=Long', renderWav(Buffer.alloc(limit - 42)));
    expect(more.status).toBe(413);
    expect(more.json.code).toBe('body_too_large');
  });
});
