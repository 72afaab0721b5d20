// Makes .cache/llama-cpp: node-llama-cpp with llama.cpp's prebuilt CPU library for Linux, which tests and scripts compare with.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { main } from '../../scripts/setup.mjs'
import { fingerprint, isStamped, root, run, stamp } from '../../scripts/setup/step.mjs'

const folder = '.cache/llama-cpp'
const version = '3.22.1'
const packages = ['node-llama-cpp', `@node-llama-cpp/linux-${process.arch}`].map(
  (name) => `${name}@${version}`,
)

await main(async () => {
  const print = fingerprint([], packages)
  if (existsSync(join(root, folder)) && isStamped(folder, print))
    return console.log(`llama.cpp: ${folder} is up to date`)
  const began = Date.now()
  // The package's install script builds what the prebuilt package has; its optional packages are for other machines.
  const flags = ['--ignore-scripts', '--omit=optional', '--no-audit', '--no-fund']
  await run('llama-cpp', 'npm', ['install', '--prefix', join(root, folder), ...flags, ...packages])
  stamp(folder, print)
  console.log(`llama.cpp: ${folder} made in ${((Date.now() - began) / 1000).toFixed(0)} s`)
})
