// `npm run format`, `npm run format:fix`: rewrites every source in the house style, or with --check only says which files differ: prettier for TypeScript and
// its neighbours, clang-format for native/, ruff for Python.
import './setup/help.mjs'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { filesUnder, root } from './setup/step.mjs'

const check = process.argv.includes('--check')
const clangFormat = join(
  root,
  'node_modules/clang-format/bin',
  `${process.platform}_${process.arch}`,
  'clang-format',
)
const native = filesUnder(['native']).filter((file) => /\.(cpp|h|cu|cuh)$/.test(file))
const prettier = [join(root, 'node_modules/prettier/bin/prettier.cjs'), '--log-level', 'warn']

const formatters = [
  [process.execPath, [...prettier, check ? '--check' : '--write', '.']],
  [clangFormat, [...(check ? ['--dry-run', '--Werror'] : ['-i']), ...native]],
  [join(root, '.venv/bin/ruff'), ['format', '--quiet', ...(check ? ['--diff'] : []), '.']],
]

for (const [command, args] of formatters) {
  // clang-format's package has no binary for some platforms, ruff comes with the Python environment.
  if (!existsSync(command)) console.log(`skipped: there is no ${command}`)
  else if (spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0) process.exitCode = 1
}
