// `npm run notebooks`: writes the notebooks of both languages from notebooks/source, executes them, and tells how long each took.
//   npm run notebooks -- [--write] [--save] [--only NAME] [--language en|zh] [--minutes N]
// --write: only write them. --save: keep the outputs in the notebooks. --only: those whose names contain NAME.
import './setup/help.mjs'
import { spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { languages, notebookOf, notebookPath, notebookText, sources } from './notebooks/source.mjs'
import { main, setup } from './setup.mjs'
import { python } from './setup/python.mjs'
import { SetupError, root } from './setup/step.mjs'

const { values } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    language: { type: 'string' },
    minutes: { type: 'string', default: '15' }, // for each notebook
  },
})

const chosen = sources()
  .filter((name) => name.includes(values.only))
  .flatMap((name) => languages.map((language) => ({ name, language, file: notebookPath(name, language) })))
  .filter(({ language }) => values.language === undefined || language === values.language)

function execute({ name, language, file }) {
  const executed = join(root, 'results', language, `${name}.executed.ipynb`)
  const seconds = String(Number(values.minutes) * 60)
  const args = [
    join(root, 'scripts/execute_notebook.py'),
    file,
    executed,
    '--cwd',
    dirname(file),
    '--seconds',
    seconds,
  ]
  return new Promise((done, fail) => {
    const child = spawn(python, args, { stdio: 'inherit' })
    child.on('error', fail)
    child.on('close', (code) => done({ code, executed }))
  })
}

await main(async () => {
  for (const { name, language, file } of chosen) {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, notebookText(notebookOf(name, language)))
  }
  if (values.write) return console.log(`${chosen.length} notebooks written`)
  await setup()
  const failed = []
  for (const one of chosen) {
    const place = relative(root, one.file)
    console.log(`== ${place}`)
    const began = Date.now()
    const { code, executed } = await execute(one)
    if (code !== 0) failed.push(place)
    else if (values.save) copyFileSync(executed, one.file)
    console.log(`${place}: ${((Date.now() - began) / 1000).toFixed(0)} s`)
  }
  if (failed.length > 0) throw new SetupError(`These did not finish: ${failed.join(', ')}`)
})
