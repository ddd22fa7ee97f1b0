import { createHmac } from 'node:crypto';

const MARK = 'whsec_';

/**
 * The headers of a delivery by the Standard Webhooks specification (1.0.0): HMAC-SHA256 over `id.timestamp.body`, a signature
 * for each of `secrets` (`whsec_` and base64), the newest first. `at` is when it is sent: each attempt is signed anew.
 */
export function signedHeaders(
  id: string,
  at: Date,
  body: string,
  secrets: readonly string[],
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const signatures = secrets.map((secret) => {
    const key = Buffer.from(secret.slice(MARK.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
  });
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') };
}
