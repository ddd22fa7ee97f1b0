/** A way in which a request can fail: the HTTP status, when it happens, and what the caller can do. */
export interface ProblemEntry {
  status: number;
  when: string;
  todo: string;
}

/**
 * Every code that an answer of the API may have, with its one status. The OpenAPI document, /docs/errors and docs/errors.md
 * are made from this; nothing else may be thrown at a caller.
 */
export const PROBLEMS = {
  bad_request: { status: 400, when: 'The address cannot be decoded', todo: 'Encode it (RFC 3986)' },
  body_cut_off: { status: 400, when: 'The connection ended before the body did', todo: 'Send it again' },
  csv_invalid: {
    status: 400,
    when: 'The body is not CSV that can be read',
    todo: 'See `detail` for the line',
  },
  http_invalid: { status: 400, when: 'What came is not HTTP', todo: 'Use an HTTP client' },
  idempotency_key_invalid: {
    status: 400,
    when: 'The Idempotency-Key is empty, too long or not ASCII',
    todo: 'Send 1 to 255 letters, such as a UUID',
  },
  json_invalid: { status: 400, when: 'The body is not JSON', todo: 'Send valid JSON' },
  ndjson_invalid: {
    status: 400,
    when: 'A line of the upload is too long',
    todo: 'Send one JSON object on each line',
  },
  not_utf8: { status: 400, when: 'The body is not UTF-8', todo: 'Convert it' },
  token_invalid: {
    status: 401,
    when: 'The token or API key is wrong, expired or revoked, or its tenant is gone',
    todo: 'Get a new one',
  },
  token_missing: { status: 401, when: 'There is no token', todo: 'Send one as `Authorization: Bearer`' },
  forbidden: {
    status: 403,
    when: 'The token does not allow this',
    todo: 'See `detail` for whose token does',
  },
  read_only: {
    status: 403,
    when: 'A viewer tried to change something',
    todo: 'Use a token of the role tenant',
  },
  tenant_deleting: {
    status: 403,
    when: 'The tenant is being deleted',
    todo: 'Nothing: it will be gone, and its tokens with it',
  },
  tenant_suspended: {
    status: 403,
    when: 'The tenant is suspended',
    todo: 'Ask the operator of the installation',
  },
  not_found: {
    status: 404,
    when: 'There is nothing at this address or with this id, or it is of another tenant',
    todo: 'Look the id up in the list',
  },
  method_not_allowed: { status: 405, when: 'The address does not take this method', todo: 'See `Allow`' },
  body_stalled: { status: 408, when: 'Nothing of an upload came for too long', todo: 'Upload it again' },
  request_timeout: { status: 408, when: 'The request did not arrive in time', todo: 'Send it again' },
  calls_under_way: {
    status: 409,
    when: 'Calls of the campaign or the trunk are up',
    todo: 'Try again when they are over',
  },
  campaign_empty: { status: 409, when: 'The campaign has no contacts to call', todo: 'Add contacts first' },
  campaign_without_trunk: {
    status: 409,
    when: 'The campaign has no trunk: those of the one that it was copied from were deleted',
    todo: 'Set its `trunk_ids`',
  },
  opt_outs_stay: {
    status: 409,
    when: 'The list is the one of those who pressed the opt-out key',
    todo: 'Take numbers off it one by one, if they have agreed to be called again',
  },
  campaign_ended: {
    status: 409,
    when: 'The campaign is completed or cancelled',
    todo: 'Copy it and go on with the copy',
  },
  campaign_not_draft: { status: 409, when: 'Only a draft can be started', todo: 'Resume it if it is paused' },
  campaign_not_ended: {
    status: 409,
    when: 'The campaign must be completed or cancelled for this',
    todo: 'Cancel it first',
  },
  campaign_not_paused: {
    status: 409,
    when: 'Only a paused campaign can be resumed',
    todo: 'Start it if it is a draft',
  },
  campaign_not_running: {
    status: 409,
    when: 'Only a running campaign can be paused',
    todo: 'Nothing: it does not call',
  },
  campaign_running: {
    status: 409,
    when: 'The campaign is running, and this may change only while it is not',
    todo: 'Pause it first',
  },
  flow_deleted: {
    status: 409,
    when: 'The flow of the campaign was deleted',
    todo: 'Create a campaign with another flow',
  },
  flow_in_use: {
    status: 409,
    when: 'Campaigns that have not ended use the flow',
    todo: 'Give them another `flow_id`, or cancel them',
  },
  message_in_use: {
    status: 409,
    when: 'Campaigns or flows have the message',
    todo: 'Give them another, or delete those first that are over',
  },
  destination_in_use: {
    status: 409,
    when: 'Campaigns that have not ended go by a flow that transfers to the destination',
    todo: 'Give them another flow, or cancel them',
  },
  destination_missing: {
    status: 409,
    when: 'The flow of the campaign transfers to a destination that was deleted',
    todo: 'Save the flow with another destination',
  },
  trunk_in_use: {
    status: 409,
    when: 'Campaigns that have not ended use the trunk, or transfer destinations name it',
    todo: 'Give them other `trunk_ids`, or cancel them; give the destinations another `trunk_id`',
  },

  contact_limit: {
    status: 409,
    when: 'The tenant would have more contacts than its `max_contacts`',
    todo: 'Delete campaigns that are over, or ask the operator for more',
  },
  contacts_lack_fields: {
    status: 409,
    when: 'What the campaign says names a field without a default, and contacts do not have it',
    todo: 'Give the field a default there; `preview` tells how many lack what',
  },
  idempotency_key_in_use: {
    status: 409,
    when: 'The request with this Idempotency-Key is under way',
    todo: 'Send it again after `Retry-After` to get its answer',
  },
  import_storing: {
    status: 409,
    when: 'An import into the campaign is being stored',
    todo: 'Try again when it is completed',
  },
  suppression_lists_old: {
    status: 409,
    when: 'The campaign demands newer suppression lists than there are',
    todo: 'Bring the lists up to date and set their `as_of`',
  },
  too_many_webhooks: {
    status: 409,
    when: 'The tenant has as many webhooks as it may have',
    todo: 'Delete one',
  },
  webhook_disabled: {
    status: 409,
    when: 'Nothing is sent to a webhook that is disabled',
    todo: 'Enable it with PATCH; `disabled_reason` says why it is not',
  },
  body_too_large: {
    status: 413,
    when: 'The body is too large',
    todo: 'Send less at once, contacts as an import',
  },
  too_many_contacts: { status: 413, when: 'There are too many rows for one request', todo: 'Use an import' },
  content_type_unsupported: {
    status: 415,
    when: 'Content type, charset or encoding is none that the route takes',
    todo: 'See `detail` for those it takes',
  },
  range_not_satisfiable: {
    status: 416,
    when: 'There are no such bytes as the range asks for',
    todo: 'See `Content-Range` for how many there are',
  },
  audio_unusable: {
    status: 422,
    when: 'The audio cannot be read or is too long',
    todo: 'Send other audio, as `detail` says',
  },
  audio_silent: {
    status: 422,
    when: 'Nothing is to be heard in the audio',
    todo: 'Listen to it, and record it again',
  },
  ffmpeg_missing: {
    status: 422,
    when: 'Without ffmpeg, which is not installed, the audio must be a WAV file of 8 kHz, mono, 16 bit',
    todo: 'Convert it, or ask the operator to run `apt-get install ffmpeg`',
  },
  fields_invalid: { status: 422, when: 'Fields are missing or wrong', todo: '`errors` names each of them' },
  idempotency_key_reused: {
    status: 422,
    when: 'The Idempotency-Key was used for another request within 24 hours',
    todo: 'Make a new key for each thing that is to be done',
  },
  speech_failed: {
    status: 422,
    when: 'The speech engine did not speak the text',
    todo: 'See `detail` for what it said; change text, language or voice, or ask the operator',
  },
  http_1_1_required: {
    status: 426,
    when: 'An export was asked for in HTTP/1.0, in which nobody sees that it broke off',
    todo: 'Use HTTP/1.1',
  },
  rate_limited: { status: 429, when: 'The tenant sent too many requests', todo: 'Wait for `Retry-After`' },
  too_many_bad_tokens: {
    status: 429,
    when: 'Too many bad tokens came from the address',
    todo: 'Correct the token, and wait for `Retry-After`',
  },
  too_many_event_streams: {
    status: 429,
    when: 'The tenant follows too many streams of events',
    todo: 'Close one',
  },
  too_many_exports: {
    status: 429,
    when: 'The tenant has too many exports under way',
    todo: 'Wait for one to end',
  },
  too_many_tries: {
    status: 429,
    when: 'The tenant tried flows too often within a minute',
    todo: 'Wait for `Retry-After`',
  },
  too_many_imports: { status: 429, when: 'Too many imports are under way', todo: 'Wait for one to end' },
  headers_too_large: { status: 431, when: 'The headers are too large', todo: 'Send fewer' },
  internal: {
    status: 500,
    when: 'Something went wrong in Campanile',
    todo: 'Tell the operator the `X-Request-Id`; repeat what creates with its Idempotency-Key',
  },
  method_unknown: { status: 501, when: 'There is no such method', todo: 'See the reference' },
  conversions_busy: {
    status: 503,
    when: 'Too much audio is being converted',
    todo: 'Wait for `Retry-After`',
  },
  database_unavailable: { status: 503, when: 'The database does not answer', todo: 'Try again later' },
  not_ready: {
    status: 503,
    when: '`GET /readyz` found something that is not ready',
    todo: 'Send requests elsewhere meanwhile',
  },
  event_streams_busy: {
    status: 503,
    when: 'Too many streams of events are followed',
    todo: 'Wait for `Retry-After`',
  },
  exports_busy: { status: 503, when: 'Too many exports are under way', todo: 'Wait for `Retry-After`' },
  issuer_unavailable: {
    status: 503,
    when: 'The outside issuer of tokens cannot be reached',
    todo: 'Wait for `Retry-After`',
  },
  speech_missing: {
    status: 503,
    when: 'There is no speech engine on the machine',
    todo: 'Ask the operator to run `apt-get install espeak-ng ffmpeg`',
  },
} as const satisfies Readonly<Record<string, ProblemEntry>>;

export type ProblemCode = keyof typeof PROBLEMS;

/** All of them, in the order of their statuses. */
export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];

export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}
