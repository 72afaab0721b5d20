import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { root, run } from './step.mjs'

const kernelFile = join(root, '.venv/share/jupyter/kernels/tslab/kernel.json')

/**
 * tslab's own installer writes a bare `tslab`, which a Jupyter started elsewhere does not find. Node itself comes
 * first so that an interrupt reaches the kernel, not a shell around it. On Node 20 and 22 loading an ES-only package
 * warns into the cell's output; FORCE_COLOR=0 keeps escape codes out of kept outputs, wherever the notebook ran.
 */
const kernel = {
  argv: [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    join(root, 'node_modules/tslab/bin/tslab'),
    'kernel',
    '--config-path',
    '{connection_file}',
  ],
  display_name: 'TypeScript',
  language: 'typescript',
  env: { FORCE_COLOR: '0' },
}
const wanted = JSON.stringify(kernel, null, 2) + '\n'

/**
 * Cells say `from 'qlora'`, and tslab resolves that from the notebook's folder upwards (TypeScript's Node10 rules, then
 * `require`). The link lies in notebooks/node_modules because npm removes what it does not know from ./node_modules.
 */
const link = join(root, 'notebooks/node_modules/qlora')
const target = '../..'

function isLinked() {
  const found = lstatSync(link, { throwIfNoEntry: false })
  return found?.isSymbolicLink() === true && readlinkSync(link) === target
}

const isRegistered = () => existsSync(kernelFile) && readFileSync(kernelFile, 'utf8') === wanted

function register() {
  mkdirSync(dirname(kernelFile), { recursive: true })
  writeFileSync(kernelFile, wanted)
  mkdirSync(dirname(link), { recursive: true })
  rmSync(link, { recursive: true, force: true })
  symlinkSync(target, link, 'dir')
}

export const notebookKernel = {
  title: 'TypeScript kernel (tslab)',
  isCurrent: () => isRegistered() && isLinked(),
  make: register,
}

const spec = join(root, 'dist-kernel/install/spec.js')

/** Our own kernel, which the notebooks name: its installer writes the specification, and says whether it is in order. */
export const registerOwnKernel = {
  title: 'TypeScript kernel (qlora)',
  isCurrent: () => {
    if (!existsSync(spec)) return false
    const { faults, prefixPlace } = createRequire(import.meta.url)(spec)
    return faults(prefixPlace(join(root, '.venv'))).length === 0
  },
  make: () =>
    run('kernel', process.execPath, ['dist-kernel/install/cli.js', 'kernel', 'install', '--prefix', '.venv']),
}
