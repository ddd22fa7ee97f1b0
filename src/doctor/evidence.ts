import type { ArchiveStatus } from '../calls/disposition.js';
import type { Config } from '../config.js';
import type { Spool } from '../spool/directories.js';
import { INCLUDE_DIALPLAN } from './asterisk.js';
import { type Finding, failed, ok, skipped } from './finding.js';

/** What became of the test call's file. */
export interface FileTrace {
  where: 'outgoing' | 'archive' | 'nowhere';
  /** Asterisk wrote that it began the call. */
  begun: boolean;
  status: ArchiveStatus | null;
}

/** All that was seen of the test call. */
export interface Evidence {
  /** When FastAGI was told of the answer, after the file was placed; null when it was not. */
  answeredAfterMs: number | null;
  /** Why the sound could not be laid down, or null. */
  writeError: string | null;
  played: boolean;
  playError: string | null;
  /** FastAGI was told of the end. */
  hangup: boolean;
  file: FileTrace;
}

export function nothingHeard(): Omit<Evidence, 'file'> {
  return { answeredAfterMs: null, writeError: null, played: false, playError: null, hangup: false };
}

/** What is needed to say what to do. */
export interface Circumstances {
  config: Pick<Config, 'agiUrl' | 'soundsDir'>;
  spool: Pick<Spool, 'root' | 'outgoing' | 'done' | 'mode' | 'owner'>;
  /** Where Asterisk was told that FastAGI is. */
  url: string;
  /** Whether Asterisk said that pbx_spool is loaded; null when it could not be asked. */
  spoolModule: boolean | null;
}

const CALL = 'test call';
const AUDIO = 'audio';

/** Concludes from what was seen of the test call what works, and what is to be done about what does not. */
export function explain(evidence: Evidence, circumstances: Circumstances): Finding[] {
  if (evidence.answeredAfterMs === null) {
    return [
      explainSilence(evidence.file, circumstances),
      skipped(AUDIO, 'the test call did not get that far'),
    ];
  }
  return [
    explainEnd(evidence, evidence.answeredAfterMs, circumstances),
    explainAudio(evidence, circumstances),
  ];
}

/** The call came back; did its end, too? */
function explainEnd({ hangup, file }: Evidence, afterMs: number, { spool }: Circumstances): Finding {
  const came = `the call file came back through FastAGI after ${(afterMs / 1000).toFixed(2)} s`;
  if (!hangup) {
    return failed(
      CALL,
      `${came}, but its end was not reported`,
      'take the newest dialplan:',
      ...INCLUDE_DIALPLAN,
    );
  }
  if (file.where === 'nowhere')
    return failed(CALL, `${came}, but its file is not in ${spool.done}`, ...keepArchive(spool));
  if (file.status !== 'Completed') {
    const what = file.status === null ? 'was not archived within 5 s' : `was archived as ${file.status}`;
    return failed(
      CALL,
      `${came}, but its file ${what}`,
      "see what it says: asterisk -rx 'logger show channels'",
    );
  }
  return ok(CALL, `${came}, its end was reported, and it was archived`);
}

function explainSilence(file: FileTrace, circumstances: Circumstances): Finding {
  const { spool, url } = circumstances;
  if (file.where === 'nowhere') {
    return failed(
      CALL,
      `the call file vanished from ${spool.outgoing} and is not in ${spool.done}`,
      ...keepArchive(spool),
    );
  }
  if (file.where === 'outgoing' && !file.begun) return explainUntouched(circumstances);
  if (file.status === 'Failed') {
    return failed(
      CALL,
      'Asterisk archived the call file as Failed: it could not read it, or found no extension in it',
      `chown --reference=${spool.outgoing} ${spool.outgoing}/*.call; set CAMPANILE_SPOOL_OWNER to the user and group of Asterisk`,
      'and the dialplan must be included:',
      ...INCLUDE_DIALPLAN,
    );
  }
  if (file.status === 'Expired') {
    return failed(
      CALL,
      'Asterisk could not make the call (Expired): the dialplan is not included, there is no context campanile-doctor',
      ...INCLUDE_DIALPLAN,
    );
  }
  return failed(
    CALL,
    `Asterisk made the call, but FastAGI did not hear of it: ${url} cannot be reached from Asterisk`,
    ...reach(circumstances),
  );
}

function explainUntouched({ spool, spoolModule }: Circumstances): Finding {
  const elsewhere = [
    `this must name ${spool.root}: asterisk -rx 'core show settings' | grep -i 'spool dir'`,
    'if it names another one, set CAMPANILE_SPOOL to that',
  ];
  const load = "asterisk -rx 'module load pbx_spool.so'";
  return failed(
    CALL,
    `the call file stays in ${spool.outgoing}: Asterisk does not look at this spool`,
    ...(spoolModule ? elsewhere : [load, ...elsewhere]),
  );
}

function reach({ config, url }: Circumstances): string[] {
  const [, host = '', port = ''] = /^agi:\/\/(.*):(\d+)$/.exec(url) ?? [];
  const other =
    'it was not the port of "campanile serve", which has that: stop it and run this again to check that one';
  return [
    `on the machine of Asterisk: nc -vz ${host.replace(/[[\]]/g, '')} ${port}`,
    'if that fails: CAMPANILE_AGI_LISTEN and CAMPANILE_AGI_URL must name an address that Asterisk reaches, past any firewall',
    "asterisk -rx 'module show like res_agi'",
    ...(url === config.agiUrl ? [] : [other]),
  ];
}

function keepArchive({ outgoing, done }: Circumstances['spool']): string[] {
  return [
    `Asterisk deletes what it cannot move: chown --reference=${outgoing} ${done} && chmod --reference=${outgoing} ${done}`,
    'and no other program may take files out of there',
  ];
}

function explainAudio({ writeError, played, playError }: Evidence, { config }: Circumstances): Finding {
  if (writeError !== null) {
    const own = `chown -R ${process.getuid?.()} ${config.soundsDir}`;
    return failed(AUDIO, `no file can be written into ${config.soundsDir}: ${writeError}`, own);
  }
  if (played) return ok(AUDIO, `a file in ${config.soundsDir} was played`);
  return failed(
    AUDIO,
    `a file in ${config.soundsDir} was not played: ${playError ?? 'the call ended before'}`,
    `Asterisk must see that directory under the same name and may read it: chmod -R a+rX ${config.soundsDir}`,
    "asterisk -rx 'module show like format_wav'",
  );
}
