import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(__dirname, '../..')
const scripts = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts as Record<string, string>

/** What makes a command tell what it is and end, where that is not --help. */
const harmless: Record<string, string> = { types: '--showConfig', 'test:only': '--help' }
const printed: Record<string, RegExp> = { types: /"noEmit": true/, 'test:only': /vitest run/ }

const documents = ['README.md', 'CONTRIBUTING.md', ...readdirSync(join(root, 'docs')).map((f) => `docs/${f}`)]
  .filter((file) => file.endsWith('.md') && existsSync(join(root, file)))
  .map((file) => readFileSync(join(root, file), 'utf8'))
  .join('\n')

describe('npm scripts', () => {
  it.each(Object.keys(scripts))('npm run %s starts', (name) => {
    // A link to another package's program of the same name must not win: commands run as npm runs them.
    const path = `${join(root, 'node_modules/.bin')}:${process.env['PATH']}`
    const command = `${scripts[name]} ${harmless[name] ?? '--help'}`
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, PATH: path },
      timeout: 50_000,
    })
    expect(stderr).toBe('')
    expect(stdout).toMatch(printed[name] ?? new RegExp(`npm (run )?${name}\\b`))
    expect(status).toBe(0)
  })

  it('that the documents name exist, and those that exist are documented', () => {
    const calls = documents.matchAll(/\bnpm (?:run ([\w:-]+)|(test)\b)/g)
    const named = new Set([...calls].map(([, run, test]) => (run ?? test)!))
    expect([...named].filter((name) => !(name in scripts))).toEqual([])
    expect(Object.keys(scripts).filter((name) => !named.has(name))).toEqual([])
  })
})
