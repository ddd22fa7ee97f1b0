/** What happened in a step of a flow, in all calls of a campaign. */
export interface StepReport {
  step: string;
  /** How often calls came to it. */
  times: number;
  heard_seconds: number;
  keys: { key: string; times: number }[];
  outcomes: { outcome: string; times: number }[];
}

/** What a flow kept under a name, in all calls of a campaign. */
export interface AnswerReport {
  name: string;
  attempts: number;
  /** How many different values. */
  different: number;
  /** The most frequent ones. */
  values: { value: string; attempts: number }[];
}

/** A campaign may go by several flows, one after the other: so many of their steps and answers, and values of each. */
const MOST_STEPS = 400;
const MOST_ANSWERS = 100;
export const MOST_VALUES = 20;

// The calls of the tenant $1's campaign $3. Steps are counted once by everything that they tell, which are few kinds, and those
// are added up: expanded, a million calls are many millions of steps. Keys that are digits of a number are nobody's choice.
export const STEPS = `WITH kinds AS MATERIALIZED (
    SELECT s.step, s.outcome, CASE WHEN s.type <> 'collect' THEN jsonb_path_query_array(s.pressed, '$[*].key') END AS keys,
      count(*) AS times, coalesce(sum(s.heard_seconds), 0) AS heard
    FROM attempts a
    CROSS JOIN LATERAL jsonb_to_recordset(a.steps) AS s(step text, type text, outcome text, pressed jsonb, heard_seconds double precision)
    WHERE a.tenant_id = $1 AND a.campaign_id = $3 GROUP BY 1, 2, 3
  ), by_step AS (
    SELECT step, sum(times) AS times, sum(heard) AS heard FROM kinds GROUP BY step ORDER BY times DESC, step LIMIT ${MOST_STEPS}
  ), by_outcome AS (
    SELECT step, outcome, sum(times) AS times FROM kinds WHERE outcome IS NOT NULL GROUP BY 1, 2
  ), by_key AS (
    SELECT step, k.key, sum(times) AS times FROM kinds CROSS JOIN LATERAL jsonb_array_elements_text(keys) AS k(key) GROUP BY 1, 2
  )
  SELECT json_agg(json_build_object('step', b.step, 'times', b.times, 'heard_seconds', round(b.heard::numeric, 3),
      'keys', coalesce((SELECT json_agg(json_build_object('key', k.key, 'times', k.times) ORDER BY k.times DESC, k.key)
        FROM by_key k WHERE k.step = b.step), '[]'),
      'outcomes', coalesce((SELECT json_agg(json_build_object('outcome', o.outcome, 'times', o.times)
        ORDER BY o.times DESC, o.outcome) FROM by_outcome o WHERE o.step = b.step), '[]')) ORDER BY b.times DESC, b.step)
  FROM by_step b`;

export const ANSWERS = `WITH given AS (
    SELECT e.name, e.value, count(*) AS attempts FROM attempts a
    CROSS JOIN LATERAL jsonb_each_text(a.answers) AS e(name, value)
    WHERE a.tenant_id = $1 AND a.campaign_id = $3 GROUP BY 1, 2
  ), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY name ORDER BY attempts DESC, value COLLATE "C") AS rank FROM given
  ), by_name AS (
    SELECT name, sum(attempts) AS attempts, count(*) AS different,
      json_agg(json_build_object('value', value, 'attempts', attempts) ORDER BY rank) FILTER (WHERE rank <= ${MOST_VALUES}) AS values
    FROM ranked GROUP BY name ORDER BY name LIMIT ${MOST_ANSWERS}
  )
  SELECT json_agg(by_name ORDER BY name) FROM by_name`;
