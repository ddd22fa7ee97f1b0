import { PROBLEM_CODES, PROBLEMS } from '../problems.js';

const INTRODUCTION =
  'What goes wrong is answered with a problem document (RFC 9457). Its code is stable and one of these; detail says what it ' +
  'was this time.';

/** docs/errors.md. */
export function errorsMarkdown(): string {
  const rows = PROBLEM_CODES.map((code) => {
    const { status, when, todo } = PROBLEMS[code];
    return `| \`${code}\` | ${status} | ${when} | ${todo} |`;
  });
  return `# Errors\n\n${INTRODUCTION}\n\n| code | status | when | what to do |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

/** The same as a page, where the `type` of a problem document leads. */
export function errorsPage(): string {
  const rows = PROBLEM_CODES.map((code) => {
    const { status, when, todo } = PROBLEMS[code];
    const cells = [`<code>${code}</code>`, String(status), marked(when), marked(todo)];
    return `<tr id="${code}">${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Campanile API: errors</title>
</head>
<body>
<h1>Errors</h1>
<p>${INTRODUCTION}</p>
<table>
<tr><th>code</th><th>status</th><th>when</th><th>what to do</th></tr>
${rows.join('\n')}
</table>
</body>
</html>
`;
}

function marked(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return escaped.replace(/`([^`]+)`/g, '<code>$1</code>');
}
