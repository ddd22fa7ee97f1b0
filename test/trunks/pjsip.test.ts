import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SIP_TEXT } from '../../src/calls/sip-account.js';
import {
  type AccountToWrite,
  hasAccounts,
  markerOf,
  renderAccount,
  renderFile,
} from '../../src/trunks/pjsip.js';

const trunkId = '01900000-0000-7000-8000-00000000000a';
const good: AccountToWrite = {
  trunkId,
  host: 'sip.example.com',
  port: 5070,
  transport: 'udp',
  srtp: false,
  user: 'acme',
  password: 's3cret!',
  register: true,
  caller_ids: ['+12125550101'],
  codecs: ['ulaw', 'g722'],
  from_user: null,
  from_domain: null,
};

it('writes an account as sections of its own', () => {
  expect(renderAccount(good)).toBe(`
[campanile-${trunkId}]
type=auth
auth_type=userpass
username=acme
password=s3cret!

[campanile-${trunkId}]
type=aor
contact=sip:sip.example.com:5070

[campanile-${trunkId}]
type=endpoint
context=campanile-nothing-inbound
identify_by=ip
allow_transfer=no
allow_subscribe=no
aors=campanile-${trunkId}
outbound_auth=campanile-${trunkId}
disallow=all
allow=ulaw,g722
direct_media=no
rtp_symmetric=yes
rewrite_contact=yes
dtmf_mode=rfc4733

[campanile-${trunkId}]
type=registration
server_uri=sip:sip.example.com:5070
client_uri=sip:acme@sip.example.com:5070
contact_user=acme
outbound_auth=campanile-${trunkId}
line=yes
endpoint=campanile-${trunkId}
auth_rejection_permanent=yes
fatal_retry_interval=600
forbidden_retry_interval=600
retry_interval=60
max_retries=1000000
`);
});

it('writes what is asked for beside that', () => {
  const text = renderAccount({
    ...good,
    port: null,
    transport: 'tls',
    srtp: true,
    register: false,
    from_user: 'acme2',
    from_domain: 'acme.example',
  });
  // The semicolon would begin a comment.
  expect(text).toContain('\ncontact=sip:sip.example.com\\;transport=tls\n');
  expect(text).toContain(
    '\nmedia_encryption=sdes\nfrom_user=acme2\nsend_pai=yes\nfrom_domain=acme.example\n',
  );
  expect(text).not.toContain('registration');
});

const hostile = [
  '',
  'a;b',
  'a[b',
  'a]b',
  'a\nb',
  'a\rb',
  'a=b',
  'a\\b',
  'a,b',
  '#include x',
  'a b',
  'a\0',
  'a\n',
  ' a',
  '"a"',
];
const fields = ['host', 'user', 'password', 'from_user', 'from_domain'] as const;

it.each(fields)('refuses a hostile %s, and does not repeat it', (field) => {
  for (const value of hostile) {
    expect(() => renderAccount({ ...good, [field]: value })).toThrow(`: ${field} cannot stand in pjsip.conf`);
  }
});

it('refuses what the types do not allow either', () => {
  const wrong: Record<string, unknown>[] = [
    { trunkId: `${trunkId}\n` },
    { port: 0 },
    { port: 65_536 },
    { port: '5060' },
    { port: 1.5 },
    { transport: 'ws' },
    { codecs: [] },
    { codecs: ['ulaw\nx=y'] },
    { srtp: true },
    { password: ['a'] },
    { user: null },
  ];
  for (const over of wrong) {
    const [field] = Object.keys(over);
    expect(() => renderAccount({ ...good, ...over } as AccountToWrite)).toThrow(`${field} cannot stand`);
  }
});

it('gives as many lines, and the same keys, whatever text it takes', () => {
  const shape = (text: string) => text.split('\n').map((line) => line.replace(/=.*/, '='));
  const plain = shape(renderAccount({ ...good, from_user: 'u', from_domain: 'd.example' }));
  fc.assert(
    fc.property(fc.constantFrom(...fields), fc.string({ unit: 'binary' }), (field, value) => {
      let text: string;
      try {
        text = renderAccount({ ...good, from_user: 'u', from_domain: 'd.example', [field]: value });
      } catch {
        expect(SIP_TEXT[field].pattern.test(value)).toBe(false);
        return;
      }
      expect(shape(text)).toEqual(plain);
    }),
    { numRuns: 2000 },
  );
});

it('takes hosts that everybody reads as the same, and no others', () => {
  const { pattern } = SIP_TEXT.host;
  for (const host of [
    'a.b',
    'sip.example.com',
    'x-1.example',
    '10.0.0.1',
    '255.255.255.255',
    'xn--p1ai.xn--p1ai',
  ]) {
    expect(pattern.test(host), host).toBe(true);
  }
  const odd = [
    'localhost',
    '127.1',
    '0x7f.1',
    '2130706433',
    '010.0.0.1',
    '1.2.3.4.5',
    '256.1.1.1',
    'a..b',
    '-a.b',
    'a-.b',
  ];
  for (const host of [...odd, 'a.b.', '.a.b', '[::1]', 'a.b:5060', 'u@a.b', `${'a'.repeat(64)}.b`, 'a.1']) {
    expect(pattern.test(host), host).toBe(false);
  }
});

it('marks the file by what is in it', () => {
  const empty = renderFile([]);
  const one = renderFile([renderAccount(good)]);
  const other = renderFile([renderAccount({ ...good, password: 'other' })]);
  const markers = [empty, one, other].map(markerOf);
  expect(new Set(markers).size).toBe(3);
  expect(markers[0]).toMatch(/^campanile-accounts-[0-9a-f]{16}$/);
  expect([hasAccounts(empty), hasAccounts(one)]).toEqual([false, true]);
  expect(renderFile([renderAccount(good)])).toBe(one);
  expect(markerOf('[other]\ntype=aor\n')).toBeNull();
});
