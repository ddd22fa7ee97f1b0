import { describe, expect, it } from 'vitest';
import { parseReport } from '../../src/calls/report.js';

describe('a hangup report', () => {
  it('is read from the values the dialplan passes', () => {
    const values = '16|200|ANSWER|PJSIP/far-00000001|PJSIP/far-00000001|3.5|2.25'.split('|');
    expect(parseReport(values)).toEqual({
      hangupCause: 16,
      sipStatus: 200,
      dialStatus: 'ANSWER',
      hungUpBy: 'callee',
      ringSeconds: 1.25,
      talkSeconds: 2.25,
    });
  });

  it('knows who hung up', () => {
    const by = (source: string) => parseReport(['16', '200', '', 'PJSIP/far-1', source, '1', '1']).hungUpBy;
    expect(by('PJSIP/far-1')).toBe('callee');
    expect(by('dialplan/builtin')).toBe('campanile');
    expect(by('')).toBe('pbx');
  });

  it('knows who hung up a routed call, where another half than the one that reports ran our dialplan', () => {
    const by = (sip: string, dialStatus: string, source: string, talk: string) =>
      parseReport(['16', sip, dialStatus, 'PJSIP/far-1', source, '2', talk]).hungUpBy;
    expect(by('200', 'ANSWER', '', '1')).toBe('campanile');
    expect(by('200', 'ANSWER', 'PJSIP/far-1', '1')).toBe('callee');
    expect(by('486', 'BUSY', 'dialplan/builtin', '0')).toBe('callee');
    expect(by('', 'CHANUNAVAIL', 'dialplan/builtin', '0')).toBe('pbx');
    expect(by('180', 'CANCEL', '', '0')).toBe('pbx');
  });

  it('tells a SIP channel that never got a response from one that is not SIP', () => {
    expect(parseReport(['19', '', '', 'PJSIP/far-1', '', '5', '0']).sipStatus).toBe(0);
    expect(parseReport(['19', '', '', 'DAHDI/1-1', '', '5', '0']).sipStatus).toBeNull();
  });

  it('keeps what can be read when the rest cannot', () => {
    expect(parseReport(['17', 'SIP', 'robert"); DROP', undefined, undefined, 'x', '-1'])).toEqual({
      hangupCause: 17,
      sipStatus: null,
      dialStatus: null,
      hungUpBy: 'pbx',
      ringSeconds: 0,
      talkSeconds: 0,
    });
  });
});
