import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { faults, install, prefixPlace, uninstall } from '../../kernel/install/spec'

let prefix: string
beforeEach(() => void (prefix = mkdtempSync(join(tmpdir(), 'kernelspec-'))))
afterEach(() => rmSync(prefix, { recursive: true }))

describe('the kernelspec', () => {
  it('has absolute paths and takes interrupts as messages', () => {
    const spec = JSON.parse(readFileSync(install(prefixPlace(prefix)), 'utf8')) as Record<string, unknown>
    const argv = spec.argv as string[]
    expect(isAbsolute(argv[0]!)).toBe(true)
    expect(argv).toContain('--no-force-async-hooks-checks')
    expect(argv.at(-1)).toBe('{connection_file}')
    expect(spec).toMatchObject({ interrupt_mode: 'message', language: 'typescript' })
  })

  it('is looked over by doctor and removed by uninstall', () => {
    const place = prefixPlace(prefix)
    expect(faults(place)[0]).toContain('not there')
    expect(uninstall(place)).toBe(false)
    const file = install(place)
    writeFileSync(file, readFileSync(file, 'utf8').replace(process.execPath, '/nowhere/node'))
    expect(faults(place)).toContainEqual(expect.stringContaining('/nowhere/node does not exist'))
    expect(uninstall(place)).toBe(true)
  })
})
