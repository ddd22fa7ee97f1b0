import { CONTACT_STATES, type ContactState, type Disposition } from '../calls/states.js';
import { firstIdAt } from '../ids.js';
import { ANSWERS, type AnswerReport, STEPS, type StepReport } from './flow-report.js';
import type { Db } from './pool.js';

/** Sums over some attempts. Those of seconds come with the number of attempts of which the seconds are known. */
export interface Sums {
  attempts: number;
  ended: number;
  answered: number;
  /** Of the answered. */
  machines: number;
  seizures: number;
  /** Attempts at a contact after its first. */
  retries: number;
  ring_seconds: number;
  rings: number;
  /** Of answered attempts. */
  talk_seconds: number;
  talks: number;
  heard_seconds: number;
  heards: number;
  /** Of `heards`, those of a message whose length is known, and those who heard all of it. */
  heards_of_messages: number;
  heard_to_end: number;
}

/** The sums over all attempts, and over those that have something in common. */
export interface Report {
  total: Sums;
  byDisposition: (Sums & { disposition: Disposition })[];
  /** `local` is the hour in the time zone that was asked for (`2026-11-21T10:00:00`), so far ahead of UTC. */
  byHour: (Sums & { local: string; offset_seconds: number })[];
  byKey: (Sums & { key: string })[];
  bySipStatus: (Sums & { sip_status: number })[];
  /** A campaign's contacts are counted as they are now, all of them. */
  campaigns: {
    id: string;
    name: string;
    test: boolean;
    contacts: Record<ContactState, number>;
    sums: Sums;
  }[];
  /** Of one campaign; else empty. */
  steps: StepReport[];
  answers: AnswerReport[];
}

// ITU-T E.425 section 1.3 (answer-seizure ratio) and E.600 (seizure: a bid that obtains a circuit). A call that the PBX
// could not give to the network is a bid and no seizure. Over SIP the network has taken the call when it answers the
// INVITE, be it with 100 Trying or with a refusal such as 486, 404 or 503; but not when nothing comes (0), when it wants
// other credentials (401, 407) or sends elsewhere (3xx). On other channels it has when there was a channel, unless its
// cause says that there is no way there. Of a lost attempt nothing is known, unless the answer was seen.
export const SEIZURE = `a.state = 'ended' AND (a.disposition IN ('answered', 'machine')
  OR a.sip_status >= 100 AND a.sip_status NOT BETWEEN 300 AND 399 AND a.sip_status NOT IN (401, 407)
  OR a.sip_status IS NULL AND a.hangup_at IS NOT NULL AND a.disposition NOT IN ('unreachable', 'lost'))`;

const SUMS = [
  'attempts',
  'ended',
  'answered',
  'machines',
  'seizures',
  'retries',
  'ring_seconds',
  'rings',
  'talk_seconds',
  'talks',
  'heard_seconds',
  'heards',
  'heards_of_messages',
  'heard_to_end',
] as const satisfies readonly (keyof Sums)[];

// The attempts are read once. Their sums by everything at once are few rows, and whatever is asked for is added up from
// those: five GROUP BYs of the attempts themselves would sort or hash each of them five times.
const cells = (
  where: string,
) => `SELECT a.campaign_id, date_trunc('hour', a.claimed_at, $2) AS hour, a.disposition,
    a.key, a.sip_status,
    count(*) AS attempts,
    count(*) FILTER (WHERE a.state = 'ended') AS ended,
    count(*) FILTER (WHERE a.disposition IN ('answered', 'machine')) AS answered,
    count(*) FILTER (WHERE a.disposition = 'machine') AS machines,
    count(*) FILTER (WHERE ${SEIZURE}) AS seizures,
    count(*) FILTER (WHERE a.ordinal > 1) AS retries,
    sum(a.ring_seconds::double precision) AS ring_seconds,
    count(a.ring_seconds) AS rings,
    sum(a.talk_seconds::double precision) FILTER (WHERE a.disposition IN ('answered', 'machine')) AS talk_seconds,
    count(a.talk_seconds) FILTER (WHERE a.disposition IN ('answered', 'machine')) AS talks,
    sum(a.heard_seconds::double precision) AS heard_seconds,
    count(a.heard_seconds) AS heards,
    count(a.heard_seconds) FILTER (WHERE m.seconds IS NOT NULL) AS heards_of_messages,
    count(*) FILTER (WHERE a.heard_seconds >= m.seconds) AS heard_to_end
  FROM attempts a
  JOIN campaigns p ON p.tenant_id = a.tenant_id AND p.id = a.campaign_id
  LEFT JOIN messages m ON m.tenant_id = p.tenant_id AND m.id = p.message_id
  WHERE a.tenant_id = $1 AND NOT p.is_try AND ${where}
  GROUP BY 1, 2, 3, 4, 5`;

const report = (where: string, campaigns: string, more = '') => `WITH cells AS MATERIALIZED (${cells(where)}),
  sums AS (
    SELECT grouping(campaign_id, hour, disposition, key, sip_status) AS by, campaign_id, disposition, key, sip_status,
      to_char(hour AT TIME ZONE $2, 'YYYY-MM-DD"T"HH24:MI:SS') AS local,
      extract(epoch FROM hour AT TIME ZONE $2 - hour AT TIME ZONE 'UTC')::integer AS offset_seconds,
      ${SUMS.map((name) => `coalesce(sum(${name}), 0) AS ${name}`).join(', ')}
    FROM cells GROUP BY GROUPING SETS ((), (campaign_id), (hour), (disposition), (key), (sip_status))
    ORDER BY by, hour, attempts DESC, disposition, key, sip_status
  )
  SELECT (SELECT json_agg(s) FROM sums s) AS sums,
    (SELECT json_agg(json_build_object('id', p.id, 'name', p.name, 'test', p.test,
        'contacts', json_build_object(${CONTACT_STATES.map((state) => `'${state}', p.${state}`).join(', ')}))
        ORDER BY p.id)
      FROM campaigns p WHERE p.tenant_id = $1 AND NOT p.is_try AND ${campaigns}) AS campaigns${more}`;

const OF_CAMPAIGN = report(
  'a.campaign_id = $3',
  'p.id = $3',
  `, (${STEPS}) AS steps, (${ANSWERS}) AS answers`,
);
const OF_TIME = report(
  'a.claimed_at >= $3 AND a.claimed_at < $4 AND a.id >= $5 AND a.id < $6 AND a.test = $7',
  'p.id IN (SELECT campaign_id FROM cells)',
);

/**
 * The report of one campaign, by hours of `timeZone` (an IANA name); null when the tenant has no such campaign. Throws
 * Postgres' 22023 when it does not know the time zone.
 */
export async function reportOfCampaign(
  db: Db,
  tenantId: string,
  campaignId: string,
  timeZone: string,
): Promise<Report | null> {
  const found = await read(db, OF_CAMPAIGN, [tenantId, timeZone, campaignId]);
  return found.campaigns.length > 0 ? found : null;
}

const DAY_MS = 24 * 3600 * 1000;

/**
 * The report of the attempts that a tenant's campaigns began from `from` until before `to`: of tests (`test`), or of all others. They are found by their ids,
 * which begin with the time at which they were made: an index on `claimed_at` would cost every call two more entries. A
 * node's clock may differ from the database's by a day.
 */
export function reportOfTime(
  db: Db,
  tenantId: string,
  { from, to, test }: { from: Date; to: Date; test: boolean },
  timeZone: string,
): Promise<Report> {
  const ids = [from.getTime() - DAY_MS, to.getTime() + DAY_MS].map((ms) => firstIdAt(new Date(ms)));
  return read(db, OF_TIME, [tenantId, timeZone, from, to, ...ids, test]);
}

/** GROUPING()'s bit masks: a bit is 0 where the column is grouped by, the last column's is 1. */
const BY = { all: 31, campaign: 15, hour: 23, disposition: 27, key: 29, sipStatus: 30 };

type SumsRow = Sums & {
  by: number;
  campaign_id: string;
  disposition: Disposition | null;
  key: string | null;
  sip_status: number | null;
  local: string;
  offset_seconds: number;
};

async function read(db: Db, text: string, values: unknown[]): Promise<Report> {
  const { rows } = await db.query<{
    sums: SumsRow[];
    campaigns: Omit<Report['campaigns'][number], 'sums'>[] | null;
    steps?: StepReport[] | null;
    answers?: AnswerReport[] | null;
  }>(text, values);
  const { sums, campaigns, steps, answers } = rows[0]!;
  const by = (mask: number) => sums.filter((row) => row.by === mask);
  const total = by(BY.all)[0]!;
  const none = Object.fromEntries(SUMS.map((name) => [name, 0])) as unknown as Sums;
  const ofCampaign = new Map(by(BY.campaign).map((row) => [row.campaign_id, row]));
  return {
    total,
    byDisposition: by(BY.disposition).flatMap((row) => withKnown(row, 'disposition')),
    byHour: by(BY.hour),
    byKey: by(BY.key).flatMap((row) => withKnown(row, 'key')),
    bySipStatus: by(BY.sipStatus).flatMap((row) => withKnown(row, 'sip_status')),
    campaigns: (campaigns ?? []).map((found) => ({ ...found, sums: ofCampaign.get(found.id) ?? none })),
    steps: steps ?? [],
    answers: answers ?? [],
  };
}

/** The row, unless it is the one of the attempts that have no such thing. */
function withKnown<K extends 'disposition' | 'key' | 'sip_status'>(
  row: SumsRow,
  name: K,
): (SumsRow & Record<K, NonNullable<SumsRow[K]>>)[] {
  return row[name] === null ? [] : [row as SumsRow & Record<K, NonNullable<SumsRow[K]>>];
}
