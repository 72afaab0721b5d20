// `npm run tutorial`: executes the tutorial notebook from top to bottom and tells what it trained.
//   npm run tutorial -- [--save] [--minutes N] [--notebook FILE] [--kernel NAME]
import './setup/help.mjs'
import { spawn } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { main, setup } from './setup.mjs'
import { python } from './setup/python.mjs'
import { SetupError, root } from './setup/step.mjs'
import { lossTable, newestRun } from './training-report.mjs'

const { values } = parseArgs({
  options: {
    save: { type: 'boolean', default: false }, // keep the outputs in the notebook itself
    minutes: { type: 'string' }, // for the whole notebook; no limit without it
    kernel: { type: 'string' }, // `tslab`, say, in place of the one that the notebook names
    notebook: { type: 'string', default: join(root, 'notebooks/en/01-llama3-chatqa-qlora.ipynb') },
  },
})
const notebook = resolve(values.notebook)
const executed = join(root, 'results', `${basename(notebook, '.ipynb')}.executed.ipynb`)
const folder = dirname(notebook)

/** The kernel starts in the notebook's folder. The child gets Ctrl-C itself and ends the kernel. */
function execute() {
  const args = [join(root, 'scripts/execute_notebook.py'), notebook, executed, '--cwd', folder]
  if (values.minutes !== undefined) args.push('--seconds', String(Number(values.minutes) * 60))
  if (values.kernel !== undefined) args.push('--kernel', values.kernel)
  const ignore = () => {}
  process.on('SIGINT', ignore)
  return new Promise((done, fail) => {
    const child = spawn(python, args, { stdio: 'inherit' })
    child.on('error', fail)
    child.on('close', (code) => {
      process.off('SIGINT', ignore)
      done(code)
    })
  })
}

await main(async () => {
  await setup()
  const began = Date.now()
  const code = await execute()
  const place = relative(process.cwd(), executed)
  if (code !== 0) throw new SetupError(`The notebook did not finish; what it did is in ${place}`)
  const run = newestRun(folder, began)
  if (run.history !== undefined) console.log(`\n${lossTable(run.history)}`)
  console.log(`\nexecuted notebook: ${place}`)
  for (const adapter of run.adapters) console.log(`adapter saved in:  ${relative(process.cwd(), adapter)}`)
  if (values.save) {
    copyFileSync(executed, notebook)
    console.log(`outputs kept in:   ${relative(process.cwd(), notebook)}`)
  }
  console.log(`finished in ${((Date.now() - began) / 60_000).toFixed(1)} min`)
})
