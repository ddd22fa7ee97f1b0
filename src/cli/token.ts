import { parseArgs } from 'node:util';
import { createCallTokens, INBOUND } from '../agi/token.js';
import { issueToken } from '../api/token.js';
import { parseDuration } from '../calls/duration.js';
import { loadConfig, loadSecret } from '../config.js';
import { CampanileError } from '../errors.js';

const HELP = `usage: campanile token --tenant ID [--viewer] [--subject NAME] [--ttl 1d]
       campanile token --admin [--subject NAME] [--ttl 1d]
       campanile token --inbound

Prints a token for the API: send it as "Authorization: Bearer TOKEN". With --viewer it sees what the tenant sees and
may change nothing. --subject says who uses it: the audit log has the name. It is signed with the secret of
this installation (CAMPANILE_SECRET, or the file that the server made in CAMPANILE_DATA).

With --inbound it prints what stands in [globals] of the PBX for calls back to be taken: docs/inbound.md.
`;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** `campanile token`: issues a token for a tenant, a viewer of it, or the operator. */
export async function token(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      tenant: { type: 'string' },
      viewer: { type: 'boolean', default: false },
      admin: { type: 'boolean' },
      inbound: { type: 'boolean', default: false },
      subject: { type: 'string' },
      ttl: { type: 'string', default: '1d' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (values.inbound) return printInbound();
  if ((values.tenant === undefined) === (values.admin !== true)) {
    throw new CampanileError('usage', 'say who the token is for: either --tenant ID or --admin');
  }
  if (values.viewer && values.tenant === undefined) {
    throw new CampanileError('usage', 'say whose viewer the token is for: --tenant ID --viewer');
  }
  if (values.tenant !== undefined && !UUID.test(values.tenant)) {
    throw new CampanileError(
      'usage',
      `"${values.tenant}" is not the id of a tenant: POST /v1/tenants answers it`,
    );
  }
  const secret = await loadSecret(loadConfig());
  const ttl = parseDuration(values.ttl);
  const who =
    values.tenant === undefined
      ? ({ admin: true } as const)
      : { tenantId: values.tenant, viewer: values.viewer };
  const subject = values.subject === undefined ? {} : { subject: values.subject };
  process.stdout.write(`${issueToken(secret, { ...who, ...subject }, ttl)}\n`);
  return 0;
}

/** The two globals by which the dialplan finds FastAGI and is believed; they end with the secret of the installation. */
async function printInbound(): Promise<number> {
  const config = loadConfig();
  const token = createCallTokens(await loadSecret(config)).tokenFor(INBOUND);
  process.stdout.write(`CAMPANILE_INBOUND=${config.agiUrl}\nCAMPANILE_INBOUND_TOKEN=${token}\n`);
  return 0;
}
