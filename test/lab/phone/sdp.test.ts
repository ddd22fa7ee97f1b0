import { expect, it } from 'vitest';
import { agree, parseOffer, renderAnswer } from '../../../src/lab/phone/sdp.js';

// As Asterisk 22.10 offers ulaw, alaw and G.722.
const OFFER = `v=0
o=- 1 1 IN IP4 127.0.0.1
s=Asterisk
c=IN IP4 127.0.0.1
t=0 0
m=audio 12188 RTP/AVP 0 8 9 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:9 G722/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=sendrecv
`.replaceAll('\n', '\r\n');

it('reads where audio goes and as what', () => {
  const offer = parseOffer(OFFER)!;
  expect(offer).toMatchObject({ address: '127.0.0.1', port: 12188 });
  expect(agree(offer, 'G722')).toEqual({ audio: 9, keys: 101 });
});

it('knows payload types that need no rtpmap, and prefers the connection of the stream', () => {
  const offer = parseOffer('v=0\nc=IN IP4 10.0.0.1\nm=audio 4000 RTP/AVP 8\nc=IN IP4 10.0.0.2\n')!;
  expect(offer.address).toBe('10.0.0.2');
  expect(agree(offer, 'PCMA')).toEqual({ audio: 8, keys: null });
  expect(agree(offer, 'PCMU')).toBeNull();
});

it('has nothing to say to an offer without audio', () => {
  expect(parseOffer('v=0\nc=IN IP4 10.0.0.1\nm=image 4000 udptl t38\n')).toBeNull();
});

it('answers with the one codec, and keys', () => {
  const answer = parseOffer(renderAnswer(5000, 'PCMA', { audio: 8, keys: 101 }))!;
  expect(answer.port).toBe(5000);
  expect([...answer.payloadTypes]).toEqual([
    ['PCMA/8000', 8],
    ['TELEPHONE-EVENT/8000', 101],
  ]);
});
