import type { z } from 'zod';
import { abandonedPercent } from '../../calls/flow/transfer.js';
import { CONTACT_STATES, type ContactState } from '../../calls/states.js';
import { type Report, reportOfCampaign, reportOfTime, type Sums } from '../../db/reports.js';
import { countTransfers } from '../../db/transfers.js';
import { FieldsInvalid, notFound } from '../problem.js';
import { route } from '../route.js';
import { campaignReport, report, reportQuery, timeQuery, type totals } from '../schemas/report.js';
import { atMost } from '../turns.js';

const MOST_DAYS = 92;
const DAY_MS = 24 * 3600 * 1000;
/** SQLSTATE invalid_parameter_value: Node knows a newer time zone than Postgres does. */
const UNKNOWN_TIME_ZONE = '22023';

// A report of a million attempts takes a connection of the pool for seconds.
const inTurn = atMost(2);

export const getCampaignReport = route({
  method: 'get',
  path: '/v1/campaigns/{id}/report',
  access: 'tenant',
  summary:
    'Report on a campaign: totals, and by disposition, hour, key and SIP answer, and by step and answer of its flow',
  query: reportQuery,
  answer: campaignReport,
  async handle({ db, tenant, id, query }) {
    const found = await withZone(() => inTurn(() => reportOfCampaign(db, tenant.id, id, query.time_zone)));
    if (!found) throw notFound('campaign');
    const { steps, answers, campaigns } = found;
    const { test } = campaigns[0]!;
    const counts = await countTransfers(db, tenant.id, id);
    const transfers = { ...counts, abandoned_percent: abandonedPercent(counts) };
    return { campaign_id: id, test, transfers, ...show(found, query.time_zone), steps, answers };
  },
});

export const getReport = route({
  method: 'get',
  path: '/v1/report',
  access: 'tenant',
  summary: 'Report on the attempts that all campaigns began in a time, also by campaign',
  query: timeQuery,
  answer: report,
  async handle({ db, tenant, query }) {
    const { from, to, time_zone } = query;
    const test = query.test === 'true';
    checkTime(from, to);
    const found = await withZone(() =>
      inTurn(() => reportOfTime(db, tenant.id, { from, to, test }, time_zone)),
    );
    const by_campaign = found.campaigns.map(({ id, name, contacts, sums }) => ({
      campaign_id: id,
      name,
      totals: showTotals(sums, [contacts]),
    }));
    return { from, to, test, ...show(found, time_zone), by_campaign };
  },
});

function checkTime(from: Date, to: Date): void {
  const days = (to.getTime() - from.getTime()) / DAY_MS;
  if (days <= 0) throw new FieldsInvalid([{ field: '?to', message: 'must be after ?from' }]);
  if (days <= MOST_DAYS) return;
  throw new FieldsInvalid([{ field: '?to', message: `must be at most ${MOST_DAYS} days after ?from` }]);
}

async function withZone<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === UNKNOWN_TIME_ZONE)) throw error;
    throw new FieldsInvalid([{ field: '?time_zone', message: 'is no time zone that the database knows' }]);
  }
}

function show(found: Report, timeZone: string) {
  const contacts = found.campaigns.map((campaign) => campaign.contacts);
  return {
    time_zone: timeZone,
    totals: showTotals(found.total, contacts),
    by_disposition: found.byDisposition.map(({ disposition, attempts }) => ({ disposition, attempts })),
    by_hour: found.byHour.map((hour) => ({
      hour: hour.local + offset(timeZone, hour.offset_seconds),
      ...showCalls(hour),
    })),
    keys: found.byKey.map(({ key, attempts }) => ({ key, attempts })),
    sip_statuses: found.bySipStatus.map(({ sip_status, attempts }) => ({ sip_status, attempts })),
  };
}

function showTotals(sums: Sums, contacts: Record<ContactState, number>[]): z.output<typeof totals> {
  const states = CONTACT_STATES.map(
    (state) => [state, contacts.reduce((sum, counted) => sum + counted[state], 0)] as const,
  );
  return {
    contacts: {
      total: states.reduce((sum, [, n]) => sum + n, 0),
      ...(Object.fromEntries(states) as Record<ContactState, number>),
    },
    ...showCalls(sums),
    open: sums.attempts - sums.ended,
    retries: sums.retries,
    average_talk_seconds: quotient(sums.talk_seconds, sums.talks),
    average_ring_seconds: quotient(sums.ring_seconds, sums.rings),
    average_heard_seconds: quotient(sums.heard_seconds, sums.heards),
    heard_to_end_ratio: quotient(sums.heard_to_end, sums.heards_of_messages),
  };
}

function showCalls(sums: Sums) {
  return {
    attempts: sums.attempts,
    answered: sums.answered,
    machines: sums.machines,
    seizures: sums.seizures,
    answer_seizure_ratio: quotient(sums.answered, sums.seizures),
    talk_seconds: rounded(sums.talk_seconds),
  };
}

function quotient(sum: number, count: number): number | null {
  return count === 0 ? null : rounded(sum / count);
}

/** To a ten-thousandth: Postgres' `real` holds no more. */
function rounded(value: number): number {
  return Math.round(value * 10_000) / 10_000;
}

/** RFC 3339's time-offset. */
function offset(timeZone: string, seconds: number): string {
  if (timeZone === 'UTC') return 'Z';
  const minutes = Math.round(Math.abs(seconds) / 60);
  const pad = (n: number) => String(n).padStart(2, '0');
  return `${seconds < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}:${pad(minutes % 60)}`;
}
