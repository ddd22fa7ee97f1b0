// Runs everything that CI runs: types, lint (with the import rule), unit and integration tests, and the end-to-end tests on
// a real Asterisk. The last line is "N passed, N failed". Needs nothing but Node and npm.
//
//   npm test                                 everything
//   npm run test:pbx -- --asterisk 16        the tests on the real Asterisk only, on the older one
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPrograms } from './programs.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values: options, positionals: filters } = parseArgs({
  options: { 'pbx-only': { type: 'boolean' }, asterisk: { type: 'string', default: '22' } },
  allowPositionals: true,
});
if (!['16', '22'].includes(options.asterisk)) {
  console.error(`--asterisk must be 16 or 22, not "${options.asterisk}"`);
  process.exit(2);
}

const total = { passed: 0, failed: 0, skipped: 0 };

function node(script, args, env = {}) {
  return spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  }).status;
}

function check(name, script, args) {
  const started = Date.now();
  const passed = node(script, args) === 0;
  total[passed ? 'passed' : 'failed'] += 1;
  console.log(`${passed ? 'ok    ' : 'FAILED'}  ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
}

function runTests() {
  const directory = mkdtempSync(join(tmpdir(), 'campanile-test-'));
  const report = join(directory, 'report.json');
  const args = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...filters];
  if (options['pbx-only']) args.push('--project', 'pbx');
  const status = node('node_modules/vitest/vitest.mjs', args, { TEST_ASTERISK: options.asterisk });
  let result;
  try {
    result = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.error('the test runner ended without a report');
    total.failed += 1;
    return;
  } finally {
    rmSync(directory, { recursive: true });
  }
  total.passed += result.numPassedTests;
  total.failed += result.numFailedTests;
  total.skipped += result.numPendingTests;
  for (const file of result.testResults) {
    for (const test of file.assertionResults) {
      if (test.status === 'skipped' || test.status === 'pending') console.log(`skipped: ${test.fullName}`);
    }
  }
  // A file that does not load, or an error outside of any test, fails the run without a failed test.
  if (status !== 0 && result.numFailedTests === 0) total.failed += 1;
}

installPrograms();
if (node('scripts/ready.mjs', []) !== 0) total.failed += 1;
else {
  if (!options['pbx-only']) {
    check('types', 'node_modules/typescript/bin/tsc', ['--noEmit', '-p', 'test/tsconfig.json']);
    check('lint', 'node_modules/@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']);
  }
  runTests();
}
const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : '';
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exitCode = total.failed > 0 ? 1 : 0;
