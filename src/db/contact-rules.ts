// Whom a tenant may not call, or not yet, as SQL: the claim asks it in the transaction that places the call (claim.ts), and
// the preview of whoever waits (campaign-facts.ts). `c` is the contact in all of it.

/**
 * Whether the number is on a suppression list, or gone because the person was erased. `onInstallationList` is the condition
 * for the list that a tenant may not read.
 */
export const isSuppressed = (onInstallationList: string) => `(c.number LIKE 'erased %'
  OR EXISTS (SELECT FROM suppressed_numbers s WHERE s.number = c.number AND s.tenant_id = c.tenant_id)
  OR ${onInstallationList})`;

/** Whether the campaign `p` calls only with consent, and the contact has not given any. */
export const lacksConsent = (p: string) => `(${p}.requires_consent AND c.consent_basis IS NULL)`;

/**
 * Attempts that count for the caps: not those of which it is certain that they never left, because the call file was taken
 * back before Asterisk began it or could not be read. (A claim that was undone leaves no attempt at all.)
 */
const COUNTS = `a.disposition IS DISTINCT FROM 'cancelled' AND a.archive_status IS DISTINCT FROM 'Failed'`;

/**
 * When the cap (`cap` attempts in `hours`) lets the number be called: that time after the attempt that is the `cap`th from the
 * last, where `before` more are about to be made now. Null when that is so already, or there is no cap.
 */
const capUntil = (
  cap: string,
  hours: number,
  before: string,
  test: string,
) => `CASE WHEN ${cap} IS NULL THEN NULL
  WHEN ${before} >= ${cap} THEN statement_timestamp() + make_interval(hours => ${hours})
  ELSE (SELECT a.claimed_at + make_interval(hours => ${hours}) FROM attempts a
    WHERE a.number = c.number AND a.tenant_id = c.tenant_id AND a.test = ${test}
      AND a.claimed_at > statement_timestamp() - make_interval(hours => ${hours}) AND ${COUNTS}
    ORDER BY a.claimed_at DESC OFFSET ${cap} - 1 - ${before} LIMIT 1) END`;

/**
 * Until when the frequency caps of `t` hold the contact; null when they do not. Without caps the attempts at the number are not
 * read. A day is 24 hours, and 30 days are 720, whatever the clocks do. `before` is how many attempts at the same number
 * are made in the same moment before it. `test` is whether the campaign is one: its attempts count for tests, and for nothing else.
 */
export const cappedUntil = (t: string, before: string, test: string) =>
  `greatest(${capUntil(`${t}.attempts_per_day`, 24, before, test)},
    ${capUntil(`${t}.attempts_per_30_days`, 720, before, test)})`;

/** Until when a silent call at the number holds the contact, by what `t` has set; null when none does. `test` as above. */
export const lockedUntil = (
  t: string,
  test: string,
) => `(SELECT max(a.ended_at) + make_interval(hours => ${t}.silent_call_lockout_hours) FROM attempts a
  WHERE a.number = c.number AND a.tenant_id = c.tenant_id AND a.silent AND a.test = ${test}
    AND a.ended_at > statement_timestamp() - make_interval(hours => ${t}.silent_call_lockout_hours))`;
