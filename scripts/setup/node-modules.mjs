import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './step.mjs'

/** The packages npm wrote down for a tree, links and the project itself left out. */
function packages(file) {
  const entries = Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages)
  return entries.filter(([name, entry]) => name !== '' && entry.link !== true)
}

/** npm leaves a lock of what it installed: it must hold what ours asks for (optional ones are for other platforms). */
function isCurrent() {
  const installed = join(root, 'node_modules/.package-lock.json')
  if (!existsSync(installed)) return false
  const has = new Map(packages(installed).map(([name, entry]) => [name, entry.version]))
  const wanted = packages(join(root, 'package-lock.json'))
  return wanted.every(([name, entry]) =>
    has.has(name) ? has.get(name) === entry.version && existsSync(join(root, name)) : entry.optional === true,
  )
}

/** Development packages are needed even under NODE_ENV=production; under npm its own file is the one to call. */
async function install() {
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund']
  const npm = process.env.npm_execpath
  if (npm?.endsWith('npm-cli.js')) await run('npm', process.execPath, [npm, ...args])
  else await run('npm', 'npm', args)
}

export const nodeModules = { title: 'Node packages (npm ci)', isCurrent, make: install }
