import { expect, it } from 'vitest';
import { renderConfig } from '../../src/lab/asterisk-config.js';

const files = renderConfig({
  dir: '/tmp/lab/one',
  sipPort: 25_060,
  rtpPorts: { from: 10_000, to: 10_098 },
  farEnds: { far: '127.0.0.1:25061', carrier: '127.0.0.1:25062' },
  includes: ['/tmp/lab/one/etc/campanile.conf'],
  extraExtensions: '[mine]\nexten => s,1,Hangup()',
  extraPjsip: '[more]\ntype=auth',
  extraQueues: '[support]',
  availableModules: new Set(['pbx_spool.so', 'res_pjsip.so', 'app_voicemail.so']),
});

it('keeps every directory that Asterisk writes to in the instance', () => {
  const writable = ['astspooldir', 'astrundir', 'astlogdir', 'astdbdir', 'astvarlibdir'];
  for (const name of writable)
    expect(files['asterisk.conf']).toMatch(new RegExp(`^${name} => /tmp/lab/one/`, 'm'));
});

it('loads the modules it needs of those that the image has, and no others', () => {
  const loaded = [...files['modules.conf']!.matchAll(/^load=(.*)$/gm)].map((match) => match[1]);
  expect(loaded.sort()).toEqual(['pbx_spool.so', 'res_pjsip.so']);
  expect(files['modules.conf']).toContain('autoload=no');
});

it('makes an endpoint of each far end, and puts the extra text last', () => {
  expect(files['pjsip.conf']).toContain('bind=127.0.0.1:25060');
  for (const contact of ['sip:127.0.0.1:25061', 'sip:127.0.0.1:25062']) {
    expect(files['pjsip.conf']).toContain(`contact=${contact}\n`);
  }
  expect(files['pjsip.conf']).toMatch(/\[more\]\ntype=auth\n$/);
});

it('includes the dialplan files before the extra extensions', () => {
  expect(files['extensions.conf']).toMatch(/#include "\/tmp\/lab\/one\/etc\/campanile.conf"\n\n\[mine\]/);
});
