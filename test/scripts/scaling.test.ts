import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { expect, it } from 'vitest'

const root = resolve(__dirname, '../..')

it('docs/benchmarks/scaling.md is what scripts/scaling.mjs writes', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/scaling.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})
