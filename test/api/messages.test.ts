import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { convertAudio } from '../../src/messages/convert.js';
import { renderWav } from '../../src/messages/wav.js';
import { makeAudio, TONE } from '../support/audio.js';
import { describeWith } from '../support/programs.js';
import {
  bells,
  createCampaign,
  createEquipped,
  createTenant,
  type Equipped,
  type TenantOnApi,
} from './fixtures.js';
import { useApi, useTenant } from './use.js';

let tenant: TenantOnApi;
const api = useApi();
beforeAll(async () => {
  tenant = await createTenant(api);
});

const upload = (query: string, body: Buffer, type = 'audio/wav') =>
  api.send('POST', `/v1/messages${query}`, { token: tenant.token, body, type });
const soundsOf = async ({ id }: { id: string }, on = api) =>
  (await on.db.pool.query('SELECT sha256 FROM sounds WHERE tenant_id = $1', [id])).rows.length;

describe('messages', () => {
  it('are stored by the hash of their audio and come back as they were', async () => {
    const made = await upload('?name=Evening%20bells', bells);
    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      name: 'Evening bells',
      sha256: createHash('sha256').update(bells).digest('hex'),
      seconds: 0.5,
      bytes: bells.length,
      source_format: { container: 'wav', codec: 'pcm_s16le', rate: 8000, channels: 1 },
      peak_db: -12.2,
      warnings: [],
    });
    const { token } = tenant;
    const audio = await api.send('GET', `/v1/messages/${made.json.id}/audio`, { token });
    expect(audio.headers.get('Content-Type')).toBe('audio/wav');
    expect(audio.bytes).toEqual(bells);
    expect((await api.send('GET', `/v1/messages/${made.json.id}`, { token })).json).toEqual(made.json);
    expect((await api.send('GET', '/v1/messages', { token })).json.data).toContainEqual(made.json);
  });

  it.each(['audio/x-wav', 'audio/mpeg', 'video/mp4', 'application/octet-stream', 'Audio/WAV; codec=1'])(
    'come as %s too',
    async (type) => {
      expect((await upload('?name=Bells', bells, type)).status).toBe(201);
    },
  );

  it('are refused when Asterisk could not play them and there is no ffmpeg, with what helps', async () => {
    const fast = renderWav(Buffer.alloc(100));
    fast.writeUInt32LE(16_000, 24);
    for (const body of [fast, Buffer.from('mp3'), bells.subarray(0, 100)]) {
      const reply = await upload('?name=Bells', body);
      expect(reply.status).toBe(422);
      expect(reply.json.code).toBe('ffmpeg_missing');
      expect(reply.json.detail).toContain('sox in.wav -r 8000 -c 1 -b 16 out.wav');
      expect(reply.json.detail).toContain('apt-get install ffmpeg');
    }
  });

  it('are refused empty, and silent', async () => {
    const empty = await upload('?name=Bells', Buffer.alloc(0));
    expect(empty.json).toMatchObject({ code: 'audio_unusable', detail: expect.stringContaining('empty') });
    const silent = await upload('?name=Bells', renderWav(Buffer.alloc(16_000)));
    expect(silent.status).toBe(422);
    expect(silent.json.code).toBe('audio_silent');
  });

  it('are refused without a name, and with one that cannot be stored', async () => {
    for (const query of ['', '?name=', '?name=%20', '?name=a%00b', `?name=${'x'.repeat(201)}`]) {
      const reply = await upload(query, bells);
      expect(reply.status).toBe(422);
      expect(reply.json.errors[0].field).toBe('?name');
    }
  });

  it('are refused as another type', async () => {
    for (const type of ['text/plain', 'text/csv', 'audio', 'audiobook/wav']) {
      expect((await upload('?name=Bells', bells, type)).json.code).toBe('content_type_unsupported');
    }
  });

  it('are taken up to 25 MiB and not a byte more', async () => {
    const limit = 25 * 1024 * 1024;
    // So long that it is refused for that, but read.
    expect((await upload('?name=Long', renderWav(Buffer.alloc(limit - 44)))).json.code).toBe(
      'audio_unusable',
    );
    const more = await upload('?name=Long', renderWav(Buffer.alloc(limit - 42)));
    expect(more.status).toBe(413);
    expect(more.json.code).toBe('body_too_large');
  });

  it('are taken with ten minutes', async () => {
    const long = Buffer.alloc(8000 * 2 * 600, bells.subarray(44, 44 + 1600));
    expect((await upload('?name=Long', renderWav(long))).json).toMatchObject({ seconds: 600 });
  });

  it('that say the same share their sound, which goes with the last of them', async () => {
    const own = await createTenant(api);
    const send = () =>
      api.send('POST', '/v1/messages?name=A', { token: own.token, body: bells, type: 'audio/wav' });
    const made = await Promise.all([send(), send(), send()]);
    expect(made.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(await soundsOf(own)).toBe(1);
    const remove = (id: string) => api.send('DELETE', `/v1/messages/${id}`, { token: own.token });
    for (const [i, { json }] of made.entries()) {
      expect(await soundsOf(own)).toBe(1);
      expect((await remove(json.id)).status).toBe(204);
      expect((await api.send('GET', `/v1/messages/${json.id}`, { token: own.token })).status).toBe(404);
      expect(await soundsOf(own)).toBe(i === 2 ? 0 : 1);
    }
    expect((await remove(made[0]!.json.id)).status).toBe(404);
    expect((await send()).status).toBe(201);
  });

  it('that come while the last with the same sound goes keep it', async () => {
    const own = await createTenant(api);
    const send = () =>
      api.send('POST', '/v1/messages?name=A', { token: own.token, body: bells, type: 'audio/wav' });
    let last = await send();
    for (let i = 0; i < 20; i++) {
      const [gone, made] = await Promise.all([
        api.send('DELETE', `/v1/messages/${last.json.id}`, { token: own.token }),
        send(),
      ]);
      expect([gone.status, made.status]).toEqual([204, 201]);
      last = made;
      expect(await soundsOf(own)).toBe(1);
    }
  });
});

describe('the audio of a message', () => {
  const equipped = useTenant(api);
  const get = (range: string, more: Record<string, string> = {}) =>
    api.send('GET', `/v1/messages/${equipped.messageId}/audio`, {
      token: equipped.token,
      headers: { Range: range, ...more },
    });

  it.each([
    ['bytes=0-', 0, bells.length],
    ['bytes=0-99', 0, 100],
    ['bytes=44-44', 44, 45],
    ['bytes=1000-99999999', 1000, bells.length],
    ['bytes=-10', bells.length - 10, bells.length],
    ['bytes=-99999999', 0, bells.length],
  ])('is answered in the range %s', async (range, from, to) => {
    const reply = await get(range);
    expect(reply.status).toBe(206);
    expect(reply.bytes).toEqual(bells.subarray(from, to));
    expect(reply.headers.get('Content-Range')).toBe(`bytes ${from}-${to - 1}/${bells.length}`);
    expect(reply.headers.get('Content-Length')).toBe(String(to - from));
  });

  it.each(['bytes=0-1,4-5', 'bytes=-', 'bytes=9-3', 'lines=1-2', 'bytes=x-', 'bytes=1.5-2'])(
    'is answered whole for %s',
    async (range) => {
      const reply = await get(range);
      expect(reply.status).toBe(200);
      expect(reply.bytes).toEqual(bells);
      expect(reply.headers.get('Accept-Ranges')).toBe('bytes');
      expect(reply.headers.get('Content-Length')).toBe(String(bells.length));
    },
  );

  it('is answered whole when a range is wanted only of what has not changed', async () => {
    expect((await get('bytes=0-9', { 'If-Range': '"a"' })).bytes).toEqual(bells);
  });

  it.each([`bytes=${bells.length}-`, 'bytes=99999999999999999999-', 'bytes=-0'])(
    'has no range %s',
    async (range) => {
      const reply = await get(range);
      expect(reply.status).toBe(416);
      expect(reply.json.code).toBe('range_not_satisfiable');
      expect(reply.headers.get('Content-Range')).toBe(`bytes */${bells.length}`);
    },
  );
});

describe('a message that is in use', () => {
  const equipped = useTenant(api);
  const remove = (on: Equipped) => api.send('DELETE', `/v1/messages/${on.messageId}`, { token: on.token });

  it('is not deleted while a campaign has it, which is named', async () => {
    const campaign = await createCampaign(api, equipped, { name: 'Matins' });
    const reply = await remove(equipped);
    expect(reply.status).toBe(409);
    expect(reply.json).toMatchObject({ code: 'message_in_use', detail: expect.stringContaining(campaign) });
    expect(reply.json.detail).toContain('"Matins"');
    expect(await soundsOf(equipped)).toBe(1);
    const { token } = equipped;
    await api.send('POST', `/v1/campaigns/${campaign}/cancel`, { token });
    expect((await remove(equipped)).status).toBe(409);
    expect((await api.send('DELETE', `/v1/campaigns/${campaign}`, { token })).status).toBe(204);
    // The tenant's flow plays it as well.
    const flow = await remove(equipped);
    expect(flow.json).toMatchObject({
      code: 'message_in_use',
      detail: expect.stringContaining(equipped.flowId),
    });
    expect((await api.send('DELETE', `/v1/flows/${equipped.flowId}`, { token })).status).toBe(204);
    expect((await remove(equipped)).status).toBe(204);
    expect(await soundsOf(equipped)).toBe(0);
  });

  it('is given to a campaign or deleted, whichever comes first', async () => {
    const { token, trunkId } = equipped;
    for (let i = 0; i < 10; i++) {
      const { json } = await api.send('POST', '/v1/messages?name=A', {
        token,
        body: bells,
        type: 'audio/wav',
      });
      const body = { name: 'Lauds', trunk_ids: [trunkId], message_id: json.id };
      const [gone, made] = await Promise.all([
        api.send('DELETE', `/v1/messages/${json.id}`, { token }),
        api.send('POST', '/v1/campaigns', { token, body }),
      ]);
      expect([
        [204, 422],
        [409, 201],
      ]).toContainEqual([gone.status, made.status]);
      if (made.status === 422) expect(made.json.errors[0].field).toBe('/message_id');
    }
  });
});

describeWith('ffmpeg', 'messages of any format', () => {
  let conversions = 0;
  const converting = useApi({
    convertAudio: (bytes) => {
      conversions += 1;
      return convertAudio(bytes);
    },
  });
  let own: Equipped;
  beforeAll(async () => {
    own = await createEquipped(converting);
  });
  const send = (body: Buffer, token = own.token) =>
    converting.send('POST', '/v1/messages?name=A', { token, body, type: 'audio/mpeg' });

  it('say what they were made of, and what is wrong with them, and come back as WAV', async () => {
    const mp3 = await makeAudio('a.mp3', `${TONE} -af volume=30dB,adelay=1500:all=1`);
    const made = await send(mp3);
    expect(made.json).toMatchObject({
      seconds: expect.closeTo(3.5, 1),
      source_format: { container: 'mp3', codec: 'mp3', rate: 44_100, channels: 1 },
      warnings: [
        { code: 'silence_at_start', seconds: expect.closeTo(1.5, 1) },
        { code: 'clipping', share: expect.any(Number) },
      ],
    });
    expect(made.json.peak_db).toBeGreaterThanOrEqual(0);
    const { token } = own;
    const audio = await converting.send('GET', `/v1/messages/${made.json.id}/audio`, { token });
    expect(audio.bytes).toHaveLength(made.json.bytes);
    expect(createHash('sha256').update(audio.bytes).digest('hex')).toBe(made.json.sha256);
    expect((await converting.send('GET', `/v1/messages/${made.json.id}`, { token })).json).toEqual(made.json);
  });

  it('are converted once, whatever they are called, and for each tenant apart', async () => {
    const flac = await makeAudio('a.flac', TONE);
    const before = conversions;
    const first = await send(flac);
    const second = await send(flac);
    expect(conversions).toBe(before + 1);
    const { id, created_at, ...same } = first.json;
    expect(second.json).toMatchObject(same);
    const other = await createTenant(converting);
    expect((await send(flac, other.token)).json).toMatchObject(same);
    expect(conversions).toBe(before + 2);
    expect(await soundsOf(other, converting)).toBe(1);
  });

  it('are refused when they are none, or silent', async () => {
    expect((await send(Buffer.from('not audio'))).json.code).toBe('audio_unusable');
    const silent = await makeAudio('a.mp3', '-f lavfi -i anullsrc -t 1');
    expect((await send(silent)).json.code).toBe('audio_silent');
  });
});
