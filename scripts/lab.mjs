// `npm run lab`: opens JupyterLab on the notebooks. Arguments go to it: npm run lab -- --port 9999
import './setup/help.mjs'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { main, setup } from './setup.mjs'
import { python } from './setup/python.mjs'
import { root } from './setup/step.mjs'

// The folder of the language that this shell speaks.
const language = /^zh/.test(process.env.LC_ALL || process.env.LC_MESSAGES || process.env.LANG || '')
  ? 'zh'
  : 'en'

await main(async () => {
  await setup()
  const args = [
    '-m',
    'jupyterlab',
    `--ServerApp.root_dir=${join(root, 'notebooks')}`,
    `--LabApp.default_url=/lab/tree/${language}/01-llama3-chatqa-qlora.ipynb`,
    '--MultiKernelManager.default_kernel_name=qlora',
    '--ContentsManager.hide_globs=node_modules',
    ...process.argv.slice(2),
  ]
  // Ctrl-C reaches JupyterLab as well, which asks back: this process must outlive the question.
  process.on('SIGINT', () => {})
  const child = spawn(python, args, { stdio: 'inherit' })
  process.exitCode = await new Promise((done, fail) =>
    child.on('error', fail).on('close', (code) => done(code ?? 1)),
  )
})
