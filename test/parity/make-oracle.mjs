// Makes .cache/oracle, the Python environment that tests compare with: CPU PyTorch and the Hugging Face packages.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { main } from '../../scripts/setup.mjs'
import { SetupError, fingerprint, isStamped, root, run, stamp } from '../../scripts/setup/step.mjs'
import { findPython } from '../../scripts/setup/tools.mjs'

const requirements = 'test/parity/requirements.txt'
const folder = '.cache/oracle'
const python = join(root, folder, 'bin/python')

await main(async () => {
  const print = fingerprint([requirements])
  if (existsSync(python) && isStamped(folder, print)) return console.log(`oracle: ${folder} is up to date`)
  const { command, fault } = findPython()
  if (command === undefined) throw new SetupError(fault)
  const began = Date.now()
  await run('oracle-venv', command, ['-m', 'venv', folder])
  await run('oracle-pip', python, ['-m', 'pip', 'install', '--no-input', '-r', requirements])
  stamp(folder, print)
  console.log(`oracle: ${folder} made in ${((Date.now() - began) / 1000).toFixed(0)} s`)
})
