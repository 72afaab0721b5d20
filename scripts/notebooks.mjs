// `npm run notebooks`: writes the notebooks of both languages from notebooks/source, executes them, and tells how long each took.
//   npm run notebooks -- [--write] [--save] [--only NAME] [--language en|zh] [--one] [--minutes N]
// --write: only write them. --save: keep the outputs in the notebooks. --only: those whose names contain NAME.
// --one: one of the course, which the last commit has changed; else another one each day, in the other language every second day.
import './setup/help.mjs'
import { spawn, spawnSync } from 'node:child_process'
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
    one: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '15' }, // for each notebook
  },
})

const day = Math.floor(Date.now() / 86_400_000)

/** The tutorial has a command of its own. */
function oneOfToday() {
  const course = sources().filter((name) => !name.startsWith('01-'))
  const { stdout = '' } = spawnSync('git', ['diff', '--name-only', 'HEAD~1', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  })
  return course.find((name) => stdout.includes(`notebooks/source/${name}.md`)) ?? course[day % course.length]
}

const chosen = (values.one ? [oneOfToday()] : sources().filter((name) => name.includes(values.only)))
  .flatMap((name) => languages.map((language) => ({ name, language, file: notebookPath(name, language) })))
  .filter(({ language }) =>
    values.one ? language === languages[day % 2] : [undefined, language].includes(values.language),
  )

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
