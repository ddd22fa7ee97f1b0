import { describe, expect, it } from 'vitest';
import { type Circumstances, type Evidence, explain, nothingHeard } from '../../src/doctor/evidence.js';

const circumstances: Circumstances = {
  config: { agiUrl: 'agi://10.0.0.5:4573', soundsDir: '/spool/campanile/sounds' },
  spool: {
    root: '/spool',
    outgoing: '/spool/outgoing',
    done: '/spool/outgoing_done',
    mode: 0o660,
    owner: null,
  },
  url: 'agi://10.0.0.5:4573',
  spoolModule: null,
};
const whole: Evidence = {
  answeredAfterMs: 210,
  writeError: null,
  played: true,
  playError: null,
  hangup: true,
  file: { where: 'archive', begun: true, status: 'Completed' },
};
const silent = (file: Evidence['file']): Evidence => ({ ...nothingHeard(), file });

/** Step, result, what is wrong and what to do, in one text. */
function said(evidence: Evidence, over: Partial<Circumstances> = {}): string[] {
  return explain(evidence, { ...circumstances, ...over }).map(({ step, result, detail, remedy }) =>
    [`${step} ${result}: ${detail}`, ...remedy].join('\n'),
  );
}

describe('what the doctor concludes from its test call', () => {
  it('is content when the call came back, ended, was archived and its sound played', () => {
    expect(said(whole)).toEqual([
      'test call ok: the call file came back through FastAGI after 0.21 s, its end was reported, and it was archived',
      'audio ok: a file in /spool/campanile/sounds was played',
    ]);
  });

  it('takes a file that nobody touched for one of another spool, or of a PBX without pbx_spool', () => {
    const [unknown] = said(silent({ where: 'outgoing', begun: false, status: null }));
    expect(unknown).toContain('stays in /spool/outgoing: Asterisk does not look at this spool');
    expect(unknown).toContain("asterisk -rx 'module load pbx_spool.so'");
    const [loaded] = said(silent({ where: 'outgoing', begun: false, status: null }), { spoolModule: true });
    expect(loaded).not.toContain('module load');
    expect(loaded).toContain(
      "this must name /spool: asterisk -rx 'core show settings' | grep -i 'spool dir'",
    );
  });

  it('takes a call that expired for a missing dialplan', () => {
    const [call, audio] = said(silent({ where: 'archive', begun: true, status: 'Expired' }));
    expect(call).toContain('the dialplan is not included');
    expect(call).toContain("asterisk -rx 'dialplan reload'");
    expect(audio).toBe('audio skipped: the test call did not get that far');
  });

  it('takes a file that failed for one that Asterisk could not read', () => {
    const [call] = said(silent({ where: 'archive', begun: false, status: 'Failed' }));
    expect(call).toContain('could not read it');
    expect(call).toContain('CAMPANILE_SPOOL_OWNER');
  });

  it.each([
    { where: 'archive', begun: true, status: 'Completed' },
    { where: 'outgoing', begun: true, status: null },
  ] as const)(
    'takes a call that was made and not heard of for one that FastAGI is out of reach of: %o',
    (file) => {
      const [call] = said(silent(file));
      expect(call).toContain('agi://10.0.0.5:4573 cannot be reached from Asterisk');
      expect(call).toContain('nc -vz 10.0.0.5 4573');
      expect(call).not.toContain('"campanile serve"');
      const [other] = said(silent(file), { url: 'agi://[::1]:40001' });
      expect(other).toContain('nc -vz ::1 40001');
      expect(other).toContain('it was not the port of "campanile serve"');
    },
  );

  it('notices that a file vanished', () => {
    const gone = { where: 'nowhere', begun: false, status: null } as const;
    const remedy = 'chown --reference=/spool/outgoing /spool/outgoing_done';
    expect(said(silent(gone))[0]).toContain(remedy);
    expect(said({ ...whole, file: gone })[0]).toContain(remedy);
  });

  it('notices a dialplan that does not report the end', () => {
    expect(said({ ...whole, hangup: false })[0]).toContain('test call failed: the call file came back');
  });

  it('notices that the sound was not played', () => {
    const [, audio] = said({ ...whole, played: false, playError: 'Asterisk cannot play the file' });
    expect(audio).toContain(
      'audio failed: a file in /spool/campanile/sounds was not played: Asterisk cannot',
    );
    expect(audio).toContain('chmod -R a+rX /spool/campanile/sounds');
    const [call, unwritten] = said({ ...whole, played: false, writeError: 'EACCES' });
    expect(call).toContain('test call ok');
    expect(unwritten).toMatch(/^audio failed: no file can be written into .*: EACCES\nchown -R \d+ /);
  });
});
