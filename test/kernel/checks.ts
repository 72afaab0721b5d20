import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = resolve(__dirname, '../..')
const python = join(root, '.venv/bin/python')
const main = join(root, 'dist-kernel/main.js')

interface Outcome {
  passed: boolean
  seen?: string
}

/** A test for each `@check` (or each name given) of a Python script that drives a real kernel with Jupyter's own client. */
export function describeChecks(title: string, file: string, timeout = 120_000, given?: string[]): void {
  const script = join(__dirname, file)
  const checks = readFileSync(script, 'utf8').matchAll(/^@check\ndef (\w+)/gm)
  const names = given ?? [...checks].map((match) => match[1]!)
  const missing = [python, main].find((path) => !existsSync(path))

  describe.skipIf(missing)(missing ? `${title} [skipped: ${missing} not found]` : title, () => {
    const found = new Map<string, Outcome>()
    let folder: string

    beforeAll(() => {
      folder = realpathSync(mkdtempSync(join(tmpdir(), 'kernel-')))
      const printed = execFileSync(python, [script, main, folder], { encoding: 'utf8', timeout })
      for (const line of printed.trim().split('\n')) {
        const { name, ...outcome } = JSON.parse(line) as Outcome & { name: string }
        found.set(name, outcome)
      }
    }, timeout + 10_000)

    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it.each(names)('%s', (name) => {
      expect(found.get(name)).toEqual({ passed: true })
    })
  })
}
