// `npm run lint`: ESLint for TypeScript and JavaScript, ruff for Python. Runs both, also after a failure.
import './setup/help.mjs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from './setup/step.mjs'

const linters = [
  [process.execPath, [join(root, 'node_modules/eslint/bin/eslint.js'), '.']],
  [join(root, '.venv/bin/ruff'), ['check', '--quiet']],
]

for (const [command, args] of linters)
  if (spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0) process.exitCode = 1
