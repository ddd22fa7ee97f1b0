import { expect, it } from 'vitest';
import { parseRegistrations, parseTransports } from '../../src/trunks/console-tables.js';

const name = (last: string) => `campanile-01900000-0000-7000-8000-00000000000${last}`;

// As Asterisk 22.10 and 16.28 print it.
const TABLE = `
 <Registration/ServerURI..............................>  <Auth....................>  <Status.......>
==========================================================================================

 ${name('a')}/sip:127  ${name('a')}  Registered        (exp. 3589s)
 ${name('b')}/sip:127  ${name('b')}  Unregistered      (exp. 2s)
 ${name('c')}/sip:127  ${name('c')}  Rejected          (exp. 60s)
 ${name('d')}/sip:127  ${name('d')}  Stopped
 ${name('e')}/sip:127  ${name('e')}  Something new
 carrier/sip:sip.example.com                             carrier                     Registered        (exp. 100s)

Objects found: 6

`;

it('reads the table of pjsip show registrations', () => {
  expect(Object.fromEntries(parseRegistrations(TABLE))).toEqual({
    [name('a')]: 'registered',
    [name('b')]: 'unregistered',
    [name('c')]: 'rejected',
    [name('d')]: 'unregistered',
    [name('e')]: 'unknown',
    carrier: 'registered',
  });
});

it('finds none where there are none', () => {
  expect(parseRegistrations('\nNo objects found.\n\n').size).toBe(0);
});

// As Asterisk 22.10 and 16.28 print it.
const TRANSPORTS = `
Transport:  <TransportId........>  <Type>  <cos>  <tos>  <BindAddress..................>
==========================================================================================

Transport:  loopback                  udp      0      0  127.0.0.1:25060
Transport:  secure                    tls      0      0  0.0.0.0:5061

Objects found: 2

`;

it('reads the protocols of pjsip list transports', () => {
  expect([...parseTransports(TRANSPORTS)]).toEqual(['udp', 'tls']);
});
