import { askAsterisk } from '../asterisk-console.js';
import type { Config } from '../config.js';
import { messageOf } from '../errors.js';
import { hasAccounts, markerOf } from '../trunks/pjsip.js';
import { readPjsipFile } from '../trunks/pjsip-file.js';
import { type Finding, failed, note, ok, skipped } from './finding.js';

/** What the sections that Campanile writes need of a PBX. */
export const PJSIP_MODULES = [
  'res_pjsip',
  'res_pjsip_session',
  'res_pjsip_sdp_rtp',
  'res_pjsip_caller_id',
  'res_pjsip_outbound_authenticator_digest',
  'res_pjsip_outbound_registration',
  'chan_pjsip',
  'res_rtp_asterisk',
];

const STEP = 'SIP accounts';

/**
 * Whether tenants' SIP accounts can reach this PBX: the modules, the line in pjsip.conf, and that Asterisk has the file as it
 * is. What is missing is a note only for as long as no tenant has an account. `runs`: whether Asterisk does.
 */
export async function checkSipAccounts(
  { asteriskRunDir, pjsipFile }: Pick<Config, 'asteriskRunDir' | 'pjsipFile'>,
  runs: boolean,
): Promise<Finding> {
  if (!runs) return skipped(STEP, 'Asterisk does not run');
  try {
    const file = await readPjsipFile(pjsipFile);
    const wrong = file !== null && hasAccounts(file) ? failed : note;
    const missing = await missingModules(asteriskRunDir);
    if (missing.length > 0) {
      const load = missing.map((name) => `asterisk -rx 'module load ${name}.so'`).join('; ');
      return wrong(STEP, `not loaded: ${missing.join(', ')}`, load);
    }
    const include = `#tryinclude "${pjsipFile}"`;
    const remedy = [
      `echo '${include}' >> /etc/asterisk/pjsip.conf`,
      "asterisk -rx 'module reload res_pjsip.so'",
    ];
    const marker = file === null ? null : markerOf(file);
    if (marker === null) {
      return note(
        STEP,
        `there is no ${pjsipFile} yet: campanile serve writes it, and pjsip.conf needs ${include}`,
      );
    }
    const shown = await askAsterisk(asteriskRunDir, `pjsip show aor ${marker}`);
    if (shown.includes('Unable to find')) {
      return wrong(STEP, `Asterisk has not taken in ${pjsipFile}: pjsip.conf needs ${include}`, ...remedy);
    }
    return ok(STEP, `Asterisk has taken in ${pjsipFile}`);
  } catch (error) {
    return skipped(STEP, messageOf(error));
  }
}

async function missingModules(runDir: string): Promise<string[]> {
  const table = await askAsterisk(runDir, 'module show like pjsip');
  const rtp = await askAsterisk(runDir, 'module show like res_rtp_asterisk');
  const running = `${table}\n${rtp}`.split('\n').filter((line) => !line.includes('Not Running'));
  return PJSIP_MODULES.filter((name) => !running.some((line) => line.startsWith(`${name}.so `)));
}
