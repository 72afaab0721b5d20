import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(__dirname, '../..')

describe('what is generated from the option tables', () => {
  it('is what the tables say today', () => {
    const script = join(root, 'scripts/generate-options.mjs')
    const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
    expect([status, stderr]).toEqual([0, ''])
  })
})
