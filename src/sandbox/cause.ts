// hangup_sip2cause() in channels/chan_pjsip.c. The numbers are Q.850's; 127 is "interworking".
const CAUSES: Readonly<Record<number, number>> = {
  401: 21,
  403: 21,
  404: 1,
  407: 21,
  408: 18,
  409: 41,
  410: 22,
  420: 3,
  480: 19,
  483: 19,
  484: 28,
  485: 1,
  486: 17,
  488: 58,
  500: 38,
  501: 29,
  502: 27,
  503: 34,
  504: 102,
  505: 127,
  600: 17,
  603: 21,
  604: 1,
  606: 58,
};

/** HANGUPCAUSE of a call that the far end refused with `sipStatus` (300 to 699), as chan_pjsip.c has it. */
export function causeOf(sipStatus: number): number {
  const known = CAUSES[sipStatus];
  if (known !== undefined) return known;
  if (sipStatus >= 600 || (sipStatus >= 400 && sipStatus < 500)) return 127;
  return sipStatus >= 500 ? 34 : 16;
}

/** DIALSTATUS of a `Dial()` to one channel that ended unanswered with this cause: handle_cause() in apps/app_dial.c. */
export function dialStatusOf(cause: number): string {
  if (cause === 17) return 'BUSY';
  if (cause === 34) return 'CONGESTION';
  if (cause === 16 || cause === 19) return 'NOANSWER';
  return 'CHANUNAVAIL';
}
