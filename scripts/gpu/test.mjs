// `npm run test:gpu`: every check of test/gpu, each in a process of its own; exit code 1 when one fails.
// usage: node scripts/gpu/test.mjs [--device cuda:0] [NAME]...     NAME: golden-step, elementwise, ... (all without one)
import '../setup/help.mjs'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

const root = resolve(import.meta.dirname, '../..')
const folder = join(root, 'test/gpu')
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { device: { type: 'string', default: 'cuda:0' } },
})
const addon = process.env['QLORA_ADDON'] ?? join(root, 'build/Release/qlora.node')
if (!existsSync(addon)) {
  console.error(`there is no ${addon}; build it with: npm run build`)
  process.exit(1)
}
// A check is told where things are by its environment; one takes them as arguments.
const env = { ...process.env, QLORA_ADDON: addon, QLORA_TEST_DEVICE: values.device }
const argumentsOf = {
  'golden-step': [join(root, 'dist'), join(root, 'test/parity/golden'), values.device],
}
const known = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs') && !file.startsWith('support'))
  .map((file) => file.slice(0, -4))
const unknown = positionals.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`no such check: ${unknown.join(', ')}; there are ${known.join(', ')}`)
  process.exit(1)
}
const results = (positionals.length > 0 ? positionals : known).map((name) => {
  console.log(`\n== ${name}`)
  const start = performance.now()
  const { status, signal } = spawnSync(
    process.execPath,
    [join(folder, `${name}.mjs`), ...(argumentsOf[name] ?? [])],
    {
      cwd: root,
      env,
      stdio: 'inherit',
    },
  )
  return {
    name,
    ok: status === 0,
    ended: signal ?? status,
    s: ((performance.now() - start) / 1000).toFixed(1),
  }
})
console.log()
for (const { name, ok, ended, s } of results)
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${name} (${s} s${ok ? '' : `, ended with ${ended}`})`)
process.exit(results.every((result) => result.ok) ? 0 : 1)
