// The last line of a CI run. Counts each test, each check of scripts/test.mjs and each step of .ci/run; the arguments
// are the steps that failed.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './setup/step.mjs'

const read = (name) => {
  const file = join(root, '.cache/test', name)
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined
}

const failedSteps = process.argv.slice(2)
const steps = { oracle: true, tutorial: true }
for (const name of Object.keys(steps)) if (failedSteps.includes(name)) steps[name] = false

const vitest = read('vitest.json')
const checks = { ...read('checks.json'), ...steps }
// Without a report, or with test files that could not even be loaded, "tests" itself is the failure.
if (vitest === undefined) checks.tests = false
else if (vitest.success || vitest.numFailedTests > 0) delete checks.tests

const outcomes = Object.values(checks)
const passed = outcomes.filter(Boolean).length + (vitest?.numPassedTests ?? 0)
let failed = outcomes.filter((ok) => !ok).length + (vitest?.numFailedTests ?? 0)
if (failed === 0 && failedSteps.length > 0) failed = failedSteps.length

for (const [name, ok] of Object.entries(checks)) if (!ok) console.log(`failed: ${name}`)
if (vitest?.numPendingTests > 0) console.log(`${vitest.numPendingTests} tests skipped`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
