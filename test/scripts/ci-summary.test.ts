import { afterEach, expect, it } from 'vitest'
import { Checkout } from './checkout'

let checkout: Checkout
afterEach(() => checkout.remove())

const green = { types: true, lint: true, tests: true }
const report = { success: true, numPassedTests: 40, numFailedTests: 0, numPendingTests: 1 }

function summary(checks: object | undefined, vitest: object | undefined, failedSteps: string[]): unknown[] {
  checkout = new Checkout()
  if (checks) checkout.write('.cache/test/checks.json', checks)
  if (vitest) checkout.write('.cache/test/vitest.json', vitest)
  const { status, stdout } = checkout.run('ci-summary.mjs', failedSteps)
  return [status, stdout.trim().split('\n').at(-1)]
}

it('counts tests, checks and steps', () => {
  expect(summary(green, report, [])).toEqual([0, '44 passed, 0 failed'])
})

it('counts a failed check and a failed step as one each', () => {
  expect(summary({ ...green, lint: false }, report, ['test', 'tutorial'])).toEqual([1, '42 passed, 2 failed'])
})

it('counts failed tests one by one', () => {
  const failed = { ...report, success: false, numPassedTests: 38, numFailedTests: 2 }
  expect(summary({ ...green, tests: false }, failed, ['test'])).toEqual([1, '42 passed, 2 failed'])
})

it('fails when test files could not be loaded though no test failed', () => {
  const unloaded = { ...report, success: false }
  expect(summary({ ...green, lint: false, tests: false }, unloaded, ['test'])).toEqual([
    1,
    '43 passed, 2 failed',
  ])
})

it('fails when nothing ran', () => {
  expect(summary(undefined, undefined, ['oracle', 'test', 'tutorial'])).toEqual([1, '0 passed, 3 failed'])
})

it('fails when a step failed that left no trace in the reports', () => {
  expect(summary(green, report, ['test'])).toEqual([1, '44 passed, 1 failed'])
})
