import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = resolve(__dirname, '../..')
const python = join(root, '.venv/bin/python')
const main = join(root, 'dist-kernel/main.js')
const script = join(__dirname, 'client.py')
const names = [...readFileSync(script, 'utf8').matchAll(/^@check\ndef (\w+)/gm)].map((match) => match[1]!)
const missing = [python, main].find((file) => !existsSync(file))
const title = missing ? `the kernel's process [skipped: ${missing} not found]` : "the kernel's process"

describe.skipIf(missing)(title, () => {
  const found = new Map<string, { passed: boolean; seen?: string }>()
  let folder: string

  beforeAll(() => {
    folder = realpathSync(mkdtempSync(join(tmpdir(), 'kernel-')))
    const printed = execFileSync(python, [script, main, folder], { encoding: 'utf8', timeout: 240_000 })
    for (const line of printed.trim().split('\n')) {
      const { name, ...outcome } = JSON.parse(line) as { name: string; passed: boolean; seen?: string }
      found.set(name, outcome)
    }
  }, 250_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  it.each(names)('%s', (name) => {
    expect(found.get(name)).toEqual({ passed: true })
  })
})
