// `npm test`: set-up, then every check, then the tests; all of them run, also after a failure. Arguments go to vitest.
import './setup/help.mjs'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { main, setup } from './setup.mjs'
import { root } from './setup/step.mjs'

const node = (file, ...args) => [process.execPath, [join(root, 'node_modules', file), ...args]]
const report = join(root, '.cache/test')
const reporters = [
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${join(report, 'vitest.json')}`,
]

const checks = {
  types: node('typescript/bin/tsc', '-p', 'tsconfig.test.json'),
  lint: [process.execPath, [join(root, 'scripts/lint.mjs')]],
  format: [process.execPath, [join(root, 'scripts/format.mjs'), '--check']],
  tests: node('vitest/vitest.mjs', 'run', ...reporters, ...process.argv.slice(2)),
}

await main(async () => {
  await setup()
  const results = {}
  for (const [name, [command, args]] of Object.entries(checks)) {
    console.log(`\n> ${name}`)
    results[name] = spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status === 0
  }
  mkdirSync(report, { recursive: true })
  writeFileSync(join(report, 'checks.json'), JSON.stringify(results))
  const failed = Object.keys(results).filter((name) => !results[name])
  console.log(failed.length === 0 ? '\nall checks passed' : `\nfailed: ${failed.join(', ')}`)
  if (failed.length > 0) process.exitCode = 1
})
