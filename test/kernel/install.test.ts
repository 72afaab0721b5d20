import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
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

const program = resolve(__dirname, '../../dist/cli/main.js')
const missing = [program, resolve(__dirname, '../../dist-kernel/install/cli.js')].find(
  (file) => !existsSync(file),
)
it.skipIf(missing)(
  `qlora kernel install, doctor, uninstall${missing ? ` [skipped: ${missing} not found]` : ''}`,
  () => {
    const run = (command: string) => {
      const args = [program, 'kernel', command, '--prefix', prefix]
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' })
      return [status, stdout + stderr] as const
    }
    const file = join(prefix, 'share/jupyter/kernels/qlora/kernel.json')
    expect(run('install')).toEqual([0, `installed: ${file}\n`])
    expect(run('doctor')).toEqual([0, expect.stringContaining('in order')])
    expect(run('uninstall')).toEqual([0, expect.stringContaining('removed')])
    expect(existsSync(file)).toBe(false)
    expect(run('doctor')).toEqual([1, expect.stringContaining('not there')])
    expect(run('nothing')).toEqual([2, expect.stringContaining('usage: qlora kernel')])
  },
)
