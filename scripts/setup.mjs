// `npm run build` and the set-up of every other command: makes everything they need, each step only when it is absent or out of date. Plain Node: it runs before `npm ci`.
//   node scripts/setup.mjs          everything
//   node scripts/setup.mjs build    Node packages, addon and library only
//   node scripts/setup.mjs check    only says which tools are missing
import './setup/help.mjs'
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { addon } from './setup/addon.mjs'
import { notebookKernel, registerOwnKernel } from './setup/kernel.mjs'
import { library, ownKernel } from './setup/library.mjs'
import { nodeModules } from './setup/node-modules.mjs'
import { pythonEnvironment } from './setup/python.mjs'
import { SetupError } from './setup/step.mjs'
import { missingTools } from './setup/tools.mjs'

const build = [nodeModules, addon, library, ownKernel]
const everything = [...build, pythonEnvironment, notebookKernel, registerOwnKernel]

function checkTools() {
  const faults = missingTools()
  if (faults.length > 0) throw new SetupError(faults.join('\n'))
}

/** Runs the steps that are not up to date, one line each. Tools are looked for only when there is something to make. */
export async function setup(steps = everything) {
  const start = Date.now()
  let made = 0
  for (const step of steps) {
    if (step.isCurrent()) continue
    if (made++ === 0) checkTools()
    const began = Date.now()
    process.stdout.write(`set-up: ${step.title} ... `)
    try {
      await step.make()
    } catch (error) {
      process.stdout.write('failed\n')
      throw error
    }
    process.stdout.write(`${((Date.now() - began) / 1000).toFixed(1)} s\n`)
  }
  if (made === 0) console.log(`set-up: up to date (${((Date.now() - start) / 1000).toFixed(1)} s)`)
}

/** Runs a command's main function: faults a user can act on are printed without a stack. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error)
    process.exitCode = 1
  }
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const what = process.argv[2]
  if (what === 'check') await main(checkTools)
  else await main(() => setup(what === 'build' ? build : everything))
}
