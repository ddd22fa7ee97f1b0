import { expect, it } from 'vitest';
import { branchOf, header, parseSip, renderResponse, uriOf, userOf } from '../../../src/lab/phone/sip.js';

const INVITE = [
  'INVITE sip:+12125550100@127.0.0.1:5070 SIP/2.0',
  'Via: SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bKPja1',
  'v: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKPjb2',
  'From: "Hospital" <sip:+4930555@127.0.0.1>;tag=f1',
  't: <sip:+12125550100@127.0.0.1>',
  'm: <sip:asterisk@127.0.0.1:5060>',
  'i: call-1@pbx',
  'CSeq: 4711 INVITE',
  'Subject: a line that',
  '\tgoes on',
  'Content-Length: 5',
  '',
  'v=0\r\n',
].join('\r\n');

it('reads a request with compact and folded headers', () => {
  const message = parseSip(INVITE)!;
  expect(message).toMatchObject({
    method: 'INVITE',
    uri: 'sip:+12125550100@127.0.0.1:5070',
    body: 'v=0\r\n',
  });
  expect(header(message, 'call-id')).toBe('call-1@pbx');
  expect(header(message, 'subject')).toBe('a line that goes on');
  expect(message.headers.get('via')).toHaveLength(2);
  expect(branchOf(message)).toBe('z9hG4bKPja1');
  expect(userOf(message.uri)).toBe('+12125550100');
  expect(userOf(header(message, 'from'))).toBe('+4930555');
  expect(uriOf(header(message, 'contact'))).toBe('sip:asterisk@127.0.0.1:5060');
});

it('answers it with the same Via, Call-ID and CSeq, a tag in To, and the length of the body in bytes', () => {
  const response = parseSip(renderResponse(parseSip(INVITE)!, '200 OK', 't1', { body: 's=ü\r\n' }))!;
  expect(response).toMatchObject({ method: null, status: 200, body: 's=ü\r\n' });
  expect(response.headers.get('via')).toEqual(parseSip(INVITE)!.headers.get('via'));
  expect(header(response, 'to')).toBe('<sip:+12125550100@127.0.0.1>;tag=t1');
  expect(header(response, 'cseq')).toBe('4711 INVITE');
  expect(header(response, 'content-length')).toBe('6');
});

it('keeps a tag that is there and gives a 100 none', () => {
  const again = parseSip(INVITE.replace('t: <sip:+12125550100@127.0.0.1>', '$&;tag=old'))!;
  expect(renderResponse(again, '200 OK', 'new')).toContain('127.0.0.1>;tag=old\r\n');
  expect(renderResponse(parseSip(INVITE)!, '100 Trying', '')).toContain(
    'To: <sip:+12125550100@127.0.0.1>\r\n',
  );
});

it('takes what is no SIP message for none', () => {
  for (const text of [
    '',
    '\r\n\r\n',
    'INVITE sip:a@b SIP/2.0\r\n',
    'HELLO\r\n\r\n',
    'A b SIP/2.0\r\nx\r\n\r\n',
  ])
    expect(parseSip(text)).toBeNull();
});
