import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CampanileError, messageOf } from '../errors.js';
import { packageRoot } from '../root.js';
import { type Directive, parseCallFile } from './call-file.js';
import { isPlaceholder, LONGEST_VALUES, PLACEHOLDER_NAMES } from './placeholder.js';
import { placeholdersIn, renderTemplate, type Template } from './template.js';

/** Where the templates that come with Campanile lie. */
export const shippedTemplates = join(packageRoot, 'spool-templates');

const FILE_NAME = /^([a-z0-9_-]{1,64})\.call$/;
const SECONDS_PER_DAY = 86_400;

/** What Asterisk's ast_true() takes for yes (main/utils.c). */
const YES = /^(?:yes|true|y|t|1|on)$/i;

/** Nobody writes a longer one. */
const MOST_BYTES = 65_536;

/** The line that FastAGI and the hangup handler need, by the placeholder that fills it. */
const REQUIRED_VARIABLES = {
  call: '__CAMPANILE_CALL={call}',
  token: '__CAMPANILE_TOKEN={token}',
  agi: '__CAMPANILE_AGI={agi}',
};

/** What the variables that Campanile's dialplan reads must be set to, wherever they are set. */
const OWN_VARIABLES: Readonly<Record<string, string>> = {
  CAMPANILE_CALL: '{call}',
  CAMPANILE_TOKEN: '{token}',
  CAMPANILE_AGI: '{agi}',
  CAMPANILE_REPORTS: '{reports}',
};

/** Without one of these there is no call. */
const NEEDED = new Set(['Channel', 'WaitTime', 'Context', 'Extension', 'Priority', 'Application']);

/**
 * All templates by name (the file's name without `.call`): the shipped ones and those in `adminDirectory`, which may
 * override them. Throws a CampanileError (`template_invalid`) with file, line and reason for the first that is wrong,
 * or when the directory cannot be read.
 */
export async function loadTemplates(adminDirectory: string | null = null): Promise<Map<string, Template>> {
  const templates = new Map<string, Template>();
  for (const directory of adminDirectory === null ? [shippedTemplates] : [shippedTemplates, adminDirectory]) {
    for (const { name, file, text } of await readTemplates(directory)) {
      templates.set(name, parseTemplate(name, file, text));
    }
  }
  return templates;
}

interface TemplateFile {
  name: string;
  file: string;
  text: string;
}

async function readTemplates(directory: string): Promise<TemplateFile[]> {
  try {
    const files = (await readdir(directory)).filter((file) => FILE_NAME.test(file)).toSorted();
    return await Promise.all(
      files.map(async (file) => ({
        name: file.replace(FILE_NAME, '$1'),
        file: join(directory, file),
        text: await readTemplate(join(directory, file)),
      })),
    );
  } catch (error) {
    throw new CampanileError(
      'template_invalid',
      `cannot read templates of ${directory}: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}

async function readTemplate(path: string): Promise<string> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error(`${path} is not a file`);
  if (found.size > MOST_BYTES) throw new Error(`${path} has more than ${MOST_BYTES} bytes`);
  return readFile(path, 'utf8');
}

/** Checks the text of a template. `file` is only named in errors. Throws as `loadTemplates` does. */
export function parseTemplate(name: string, file: string, text: string): Template {
  const refuse = (reason: string, line?: number): never => {
    throw new CampanileError('template_invalid', `${file}${line ? `:${line}` : ''}: ${reason}`);
  };
  if (text.startsWith('\ufeff'))
    refuse('it begins with a byte order mark, which Asterisk takes for a key', 1);
  if (text.includes('\0')) refuse('it holds a NUL, behind which Asterisk loses a line');
  const seen = new Map<string, string>();
  const directives: Directive[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const read = parseCallFile(line);
    const [ignored] = read.ignored;
    if (ignored) refuse(`not a directive of a call file: ${ignored.reason}`, index + 1);
    if (read.diary.length > 0 || read.status) refuse('only Asterisk writes this line', index + 1);
    for (const directive of read.directives) {
      const reason = objection(directive, seen) ?? unwritable(directive);
      if (reason) refuse(reason, index + 1);
      if (directive.key !== 'Set') seen.set(directive.key, directive.value);
      directives.push(directive);
    }
  }
  const missing = whatIsMissing(directives, seen);
  if (missing) refuse(missing);
  return { name, file, directives };
}

/** Why a line could not be written for every call, or null: found out here, or one template would stop all calls. */
function unwritable(directive: Directive): string | null {
  try {
    renderTemplate({ name: '', file: '', directives: [directive] }, LONGEST_VALUES);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

/** Why a line cannot stay, or null. */
function objection({ key, value }: Directive, seen: ReadonlyMap<string, string>): string | null {
  const unknown = placeholdersIn(value).find((name) => !isPlaceholder(name));
  if (unknown !== undefined) {
    return `unknown placeholder {${unknown}}; there are ${PLACEHOLDER_NAMES.map((name) => `{${name}}`).join(' ')}`;
  }
  if (seen.has(key)) return `${key} is given twice`;
  if (NEEDED.has(key) && value.includes('{caller_id}')) {
    return `${key} cannot name {caller_id}: the line is left out where there is none`;
  }
  switch (key) {
    case 'MaxRetries':
      return value === '0' ? null : 'MaxRetries must be 0: Campanile decides about retries';
    case 'RetryTime':
      // Below that, Asterisk dials the person again, or archives a call that goes on, after a crash and a restart.
      return /^\d{1,9}$/.test(value) && Number(value) >= SECONDS_PER_DAY
        ? null
        : `RetryTime must be a day (${SECONDS_PER_DAY}) or more, or a restart of Asterisk dials the person again`;
    case 'Archive':
      return YES.test(value) ? null : 'Archive must be yes, or nobody learns that the call is over';
    case 'AlwaysDelete':
      // Else Asterisk leaves a file whose mtime lies ahead in outgoing/, and with our RetryTime it always does.
      return YES.test(value) ? null : 'AlwaysDelete must be yes or left out, or the file is never archived';
    case 'Early_media':
      return YES.test(value) ? 'Early_media counts ringing as answered: leave it out' : null;
    case 'Channel':
      return /^[A-Za-z0-9]+\/.+/.test(value) ? null : 'Channel must be technology/destination';
    case 'Set': {
      const [, variable = '', given] = /^_*([^=]*)=(.*)$/s.exec(value) ?? [];
      const own = Object.hasOwn(OWN_VARIABLES, variable) ? OWN_VARIABLES[variable] : given;
      return given === own ? null : `${variable} must be ${own}: Campanile's dialplan reads it`;
    }
    case 'Priority':
      return /^[1-9]\d{0,4}$/.test(value) ? null : 'Priority must be a number from 1';
    case 'WaitTime':
      return /^[1-9]\d{0,3}$/.test(value) || value === '{ring_seconds}'
        ? null
        : 'WaitTime must be seconds from 1, or {ring_seconds}';
    default:
      return null;
  }
}

function whatIsMissing(directives: readonly Directive[], seen: ReadonlyMap<string, string>): string | null {
  for (const key of ['Channel', 'Archive', 'MaxRetries', 'RetryTime']) {
    if (!seen.has(key)) return `it has no ${key} line`;
  }
  if (!seen.has('Application') && !(seen.has('Context') && seen.has('Extension'))) {
    return 'it needs Context and Extension, or Application';
  }
  for (const [name, variable] of Object.entries(REQUIRED_VARIABLES)) {
    if (!directives.some(({ key, value }) => key === 'Set' && value === variable)) {
      return `it has no line "Set: ${variable}", without which {${name}} does not reach the dialplan`;
    }
  }
  return null;
}
