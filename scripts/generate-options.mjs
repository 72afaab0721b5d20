// npm run generate: writes what is generated from the option tables of src/: the interfaces that editors and the kernel show,
// and docs/options.md.
// With --check it writes nothing and fails when a file is not what it would write.
import './setup/help.mjs'
import { readFileSync, writeFileSync } from 'node:fs'
import prettier from 'prettier'
import { interfaces } from './options/interfaces.mjs'
import { page } from './options/page.mjs'
import { files, root, runSettings } from './options/tables.mjs'

const texts = [
  ...files.map((file) => ({ path: file.path, text: interfaces(file) })),
  { path: 'docs/options.md', text: page(files, runSettings) },
]

let stale = 0
for (const { path, text } of texts) {
  const file = root + path
  const formatted = await prettier.format(text, { ...(await prettier.resolveConfig(file)), filepath: file })
  if (process.argv.includes('--check')) {
    let there
    try {
      there = readFileSync(file, 'utf8')
    } catch {
      // Missing counts as stale.
    }
    if (there === formatted) continue
    console.error(`${path} is not what the option tables say: npm run generate`)
    stale++
  } else writeFileSync(file, formatted)
}
process.exitCode = stale === 0 ? 0 : 1
