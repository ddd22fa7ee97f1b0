import { expect, it } from 'vitest';
import type { Injected } from '../../chaos/fault.js';
import { type AttemptRow, type Evidence, verify } from '../../chaos/verify.js';
import { CONTACT_STATES } from '../../src/calls/states.js';
import type { FarEndCall } from '../../src/lab/far-end-log.js';

const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 8, 0, second));

const attempt = (id: string, contact: string, from: number, to: number, disposition: string): AttemptRow => ({
  call: `t.${id}`,
  campaign_id: 'campaign',
  contact_id: contact,
  number: `+1212${contact}`,
  ordinal: 1,
  state: 'ended',
  disposition,
  silent: false,
  claimed_at: at(from),
  ended_at: at(to),
});

const call = (id: string, contact: string, second: number, finalStatus: number | null): FarEndCall => ({
  callId: `sip-${id}`,
  number: `+1212${contact}`,
  from: '+12125550100',
  mark: `t.${id}`,
  invitedAt: at(second).getTime() + 100,
  answeredAt: finalStatus === 200 ? at(second).getTime() + 200 : null,
  endedAt: at(second).getTime() + 500,
  finalStatus,
  cancelled: finalStatus === 487,
});

/** Three contacts: one answered, one busy and then answered, one who did not answer; all as it should be. */
function sound(): Evidence & {
  calls: FarEndCall[];
  attempts: AttemptRow[];
  faults: Injected[];
} {
  const attempts = [
    attempt('a1', '100', 1, 2, 'answered'),
    attempt('b1', '200', 1, 2, 'busy'),
    attempt('b2', '200', 4, 5, 'answered'),
    attempt('c1', '300', 1, 7, 'no_answer'),
  ];
  const contacts = [
    { id: '100', campaign_id: 'campaign', number: '+1212100', state: 'answered', attempts: 1 },
    { id: '200', campaign_id: 'campaign', number: '+1212200', state: 'answered', attempts: 2 },
    { id: '300', campaign_id: 'campaign', number: '+1212300', state: 'no_answer', attempts: 1 },
  ];
  const counters = Object.fromEntries(CONTACT_STATES.map((state) => [state, '0']));
  return {
    calls: [
      call('a1', '100', 1, 200),
      call('b1', '200', 1, 486),
      call('b2', '200', 4, 200),
      call('c1', '300', 1, 487),
    ],
    attempts,
    contacts,
    campaigns: [
      {
        ...counters,
        id: 'campaign',
        name: 'A',
        status: 'completed',
        retry: { busy: '2s' },
        max_attempts: 3,
        attempts: 4,
        answered: '2',
        no_answer: '1',
      },
    ],
    stops: [],
    faults: [],
  };
}

const asteriskDied: Injected = {
  kind: 'asterisk killed',
  component: 'asterisk',
  startedAt: at(1).getTime(),
  goneAt: at(3).getTime(),
  allows: { because: 'they are lost', dispositions: ['lost'] },
};

const rulesBroken = (evidence: Evidence) => [...new Set(verify(evidence).map(({ rule }) => rule))];

it('finds nothing where everything is as it should be', () => {
  expect(verify(sound())).toEqual([]);
});

type Plant = (evidence: ReturnType<typeof sound>) => unknown;

const PLANTED: [what: string, rules: string[], plant: Plant][] = [
  [
    'an INVITE that names no attempt',
    ['every INVITE belongs to exactly one attempt'],
    ({ calls }) => calls.push(call('x1', '100', 3, 486)),
  ],
  [
    'an INVITE without the header',
    ['every INVITE belongs to exactly one attempt', 'an attempt ends as the far end saw it'],
    ({ calls }) => delete calls[0]!.mark,
  ],
  [
    'an INVITE to another number than the attempt has',
    ['every INVITE belongs to exactly one attempt'],
    ({ calls }) => (calls[0]!.number = '+1212999'),
  ],
  [
    'an attempt with two INVITEs',
    ['every attempt has at most one INVITE'],
    ({ calls }) => calls.push({ ...call('a1', '100', 3, 200), callId: 'sip-again' }),
  ],
  [
    'a contact called again after an answer',
    ['no contact is called more often than its rules allow', 'the counters equal a count'],
    ({ attempts, calls }) => {
      attempts.push(attempt('a2', '100', 8, 9, 'answered'));
      calls.push(call('a2', '100', 8, 200));
    },
  ],
  [
    'a contact called once more than its rule for busy has delays',
    ['no contact is called more often than its rules allow', 'the counters equal a count'],
    ({ attempts, calls }) => {
      Object.assign(attempts[2]!, { disposition: 'busy' });
      Object.assign(calls[2]!, { finalStatus: 486, answeredAt: null });
      attempts.push(attempt('b3', '200', 9, 10, 'answered'));
      calls.push(call('b3', '200', 9, 200));
    },
  ],
  [
    'a contact called more often than the most attempts',
    ['no contact is called more often than its rules allow'],
    ({ campaigns }) => (campaigns[0]!.max_attempts = 1),
  ],
  [
    'a contact called again too soon',
    ['no contact is called more often than its rules allow'],
    ({ attempts }) => (attempts[2]!.claimed_at = at(3)),
  ],
  [
    'a contact that has not ended',
    ['every contact ends', 'the counters equal a count'],
    ({ contacts }) => (contacts[2]!.state = 'retrying'),
  ],
  ['a campaign that goes on', ['every campaign ends'], ({ campaigns }) => (campaigns[0]!.status = 'running')],
  ['an attempt that is open', ['no port is held'], ({ attempts }) => (attempts[3]!.state = 'open')],
  [
    'an attempt without a disposition',
    ['every attempt has a disposition'],
    ({ attempts }) => (attempts[3]!.disposition = null),
  ],
  [
    'a counter of a campaign that is wrong',
    ['the counters equal a count'],
    ({ campaigns }) => Object.assign(campaigns[0]!, { answered: '3' }),
  ],
  [
    'a count of attempts that is wrong',
    ['the counters equal a count'],
    ({ campaigns }) => (campaigns[0]!.attempts = 5),
  ],
  [
    'a contact whose attempts are not all there',
    ['the counters equal a count'],
    ({ attempts, calls }) => {
      attempts.shift();
      calls.shift();
    },
  ],
  [
    'a claim after the stop',
    ['nothing of a stopped campaign is dialled'],
    (evidence) => (evidence.stops = [{ campaignId: 'campaign', how: 'pause', at: at(3).getTime() }]),
  ],
  [
    'an INVITE long after the stop',
    ['nothing of a stopped campaign is dialled'],
    (evidence) => {
      evidence.stops = [{ campaignId: 'campaign', how: 'cancel', at: at(6).getTime() }];
      evidence.calls[0]!.invitedAt = at(12).getTime();
    },
  ],
  [
    'an answered call that is taken for busy',
    ['an attempt ends as the far end saw it'],
    ({ attempts }) => (attempts[0]!.disposition = 'busy'),
  ],
  [
    'a busy number that is taken for answered',
    ['an attempt ends as the far end saw it', 'no contact is called more often than its rules allow'],
    ({ attempts }) => (attempts[1]!.disposition = 'answered'),
  ],
  [
    'a call that is lost though nothing went wrong',
    ['an attempt ends as the far end saw it'],
    ({ attempts }) => (attempts[0]!.disposition = 'lost'),
  ],
  [
    'a call that is lost after what went wrong was over',
    ['an attempt ends as the far end saw it'],
    ({ attempts, faults }) => {
      attempts[2]!.disposition = 'lost';
      faults.push({ ...asteriskDied, startedAt: at(6).getTime(), goneAt: at(7).getTime() });
    },
  ],
  [
    'an answer that the far end knows nothing of',
    ['an attempt ends as the far end saw it'],
    ({ calls, faults }) => {
      calls.shift();
      faults.push(asteriskDied);
    },
  ],
];

it.each(PLANTED)('finds %s', (_, rules, plant) => {
  const evidence = sound();
  plant(evidence);
  expect(rulesBroken(evidence).sort()).toEqual([...rules].sort());
});

it('lets a call be lost that Asterisk died in', () => {
  const evidence = sound();
  evidence.attempts[0]!.disposition = 'lost';
  evidence.faults.push(asteriskDied);
  expect(verify(evidence)).toEqual([]);
});

it('lets INVITEs have no attempt that came before the copy a database was restored from', () => {
  const evidence = sound();
  const allows = { because: 'restored', forgotten: true as const };
  evidence.faults.push({ ...asteriskDied, component: 'database-copy', allows });
  evidence.calls.push(call('x1', '900', 2, 200));
  expect(verify(evidence)).toEqual([]);
  evidence.calls.push(call('x2', '901', 8, 200));
  expect(rulesBroken(evidence)).toEqual(['every INVITE belongs to exactly one attempt']);
});

it('lets a file that Asterisk was about to begin be dialled after the stop', () => {
  const evidence = sound();
  evidence.stops = [{ campaignId: 'campaign', how: 'cancel', at: at(6).getTime() }];
  evidence.calls[0]!.invitedAt = at(8).getTime();
  expect(verify(evidence)).toEqual([]);
  // And for as long as Asterisk was away.
  evidence.calls[0]!.invitedAt = at(12).getTime();
  evidence.faults = [{ ...asteriskDied, startedAt: at(5).getTime(), goneAt: at(10).getTime() }];
  expect(verify(evidence)).toEqual([]);
});

it('lets contacts of a paused campaign wait', () => {
  const evidence = sound();
  Object.assign(evidence.campaigns[0]!, { status: 'paused', no_answer: '0', retrying: '1' });
  Object.assign(evidence.contacts[2]!, { state: 'retrying' });
  expect(verify(evidence)).toEqual([]);
});
