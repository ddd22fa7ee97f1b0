import { type CallId, parseCallId } from '../calls/call-id.js';

const SUFFIX = '.call';

/** The name of an attempt's call file. */
export function fileNameOf(callId: CallId): string {
  return `${callId}${SUFFIX}`;
}

/** The call id in a file's name, or null: then the file is somebody else's and is never touched. */
export function callIdOfFile(name: string): CallId | null {
  const callId = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : '';
  return parseCallId(callId) ? callId : null;
}
