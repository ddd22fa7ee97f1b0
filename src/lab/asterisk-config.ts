/** What an instance's configuration files are rendered from. */
export interface AsteriskConfig {
  /** The instance's directory; etc/, spool/, run/, log/ and lib/ lie in it. */
  dir: string;
  /** UDP port of 127.0.0.1 that Asterisk speaks SIP on. */
  sipPort: number;
  /** UDP ports for audio, two for each call being talked on. */
  rtpPorts: { from: number; to: number };
  /** Endpoint name to the 'host:port' of its far end: `PJSIP/<number>@<name>` dials there. */
  farEnds: Record<string, string>;
  /** Dialplan files that extensions.conf includes. */
  includes: string[];
  /** Text at the end of extensions.conf. */
  extraExtensions: string;
  /** Text at the end of pjsip.conf. */
  extraPjsip: string;
  /** The queues of queues.conf. */
  extraQueues: string;
  /** The modules that the image has, so that a shorter list of an older Asterisk logs no errors. */
  availableModules: ReadonlySet<string>;
}

// What call files, FastAGI, SIP and the product's dialplan use; loading all of Debian's modules takes several times as long.
const MODULES = `
  res_pjproject res_timing_timerfd res_sorcery_config res_sorcery_memory res_sorcery_astdb
  res_pjsip res_pjsip_session res_pjsip_pubsub res_pjsip_sdp_rtp res_pjsip_caller_id res_pjsip_rfc3326 res_pjsip_nat
  res_pjsip_dtmf_info res_pjsip_header_funcs res_pjsip_logger res_pjsip_acl res_pjsip_diversion
  res_pjsip_authenticator_digest res_pjsip_outbound_authenticator_digest res_pjsip_outbound_registration
  res_pjsip_endpoint_identifier_ip res_pjsip_endpoint_identifier_user chan_pjsip res_rtp_asterisk
  bridge_simple bridge_native_rtp bridge_holding bridge_softmix bridge_builtin_features
  codec_ulaw codec_alaw codec_g722 codec_gsm codec_a_mu codec_resample format_pcm format_wav format_wav_gsm format_gsm format_sln
  res_speech res_monitor res_agi res_limit pbx_config pbx_spool
  app_amd app_cdr app_dial app_echo app_exec app_originate app_playback app_playtones app_queue app_read app_record app_senddtmf
  app_softhangup app_stack app_system app_transfer app_userevent app_verbose app_waitforsilence app_while
  func_base64 func_callerid func_cdr func_channel func_config func_cut func_db func_dialplan func_env func_global
  func_groupcount func_hangupcause func_lock func_logic func_math func_md5 func_module func_pjsip_endpoint func_rand
  func_sha1 func_shell func_sprintf func_strings func_sysinfo func_timeout func_uri func_version func_volume
`;

/** Debian's own files that an instance takes over unchanged: what AMD() counts as a machine, tones, and the like. */
export const DEBIAN_FILES = [
  'acl',
  'amd',
  'ccss',
  'cel',
  'features',
  'indications',
  'pjproject',
  'stasis',
  'udptl',
].map((name) => `${name}.conf`);

/** The instance's own configuration files, name to text. */
export function renderConfig(config: AsteriskConfig): Record<string, string> {
  return {
    'asterisk.conf': asteriskConf(config.dir),
    'modules.conf': modulesConf(config.availableModules),
    'logger.conf': LOGGER_CONF,
    'extensions.conf': extensionsConf(config),
    'pjsip.conf': pjsipConf(config),
    'rtp.conf': `[general]\nrtpstart=${config.rtpPorts.from}\nrtpend=${config.rtpPorts.to}\nicesupport=no\n`,
    'cdr.conf': '[general]\nenable=yes\n',
    'queues.conf': `[general]\n\n${config.extraQueues}\n`,
  };
}

function asteriskConf(dir: string): string {
  return `[directories]
astetcdir => ${dir}/etc
astvarlibdir => ${dir}/lib
astdbdir => ${dir}/lib
astkeydir => ${dir}/lib
astdatadir => /usr/share/asterisk
astagidir => /usr/share/asterisk/agi-bin
astspooldir => ${dir}/spool
astrundir => ${dir}/run
astlogdir => ${dir}/log
astcachedir => ${dir}/lib

[options]
maxfiles = 65536
verbose = 0
debug = 0
nocolor = yes
hideconnect = yes
`;
}

function modulesConf(available: ReadonlySet<string>): string {
  const load = MODULES.split(/\s+/).filter((name) => available.has(`${name}.so`));
  return `[modules]\nautoload=no\n${load.map((name) => `load=${name}.so\n`).join('')}`;
}

// Notices are left out: an unanswered call is one, and writing them costs at hundreds of calls a second.
const LOGGER_CONF = `[general]
dateformat=%F %T.%3q

[logfiles]
messages.log => warning,error
`;

function extensionsConf({ includes, extraExtensions }: AsteriskConfig): string {
  const included = includes.map((path) => `#include "${path}"\n`).join('');
  return `[general]\nstatic=yes\nwriteprotect=yes\n\n[globals]\n\n${included}\n${extraExtensions}\n`;
}

function pjsipConf({ dir, sipPort, farEnds, extraPjsip }: AsteriskConfig): string {
  const transport = `[global]
type=global
user_agent=campanile-lab

[loopback]
type=transport
protocol=udp
bind=127.0.0.1:${sipPort}
`;
  const endpoints = Object.entries(farEnds).map(
    ([name, address]) => `
[${name}]
type=aor
contact=sip:${address}

[${name}]
type=endpoint
transport=loopback
context=from-${name}
aors=${name}
disallow=all
allow=ulaw,alaw,g722
direct_media=no
dtmf_mode=rfc4733
timers=no
`,
  );
  // Where Campanile writes the SIP accounts of tenants by default; it need not be there.
  const accounts = `#tryinclude "${dir}/spool/campanile/pjsip.conf"`;
  return `${transport}${endpoints.join('')}\n${accounts}\n\n${extraPjsip}\n`;
}
