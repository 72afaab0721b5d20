import { existsSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { fingerprint, isStamped, root, run, stamp } from './step.mjs'

const product = 'build/Release/qlora.node'

const print = () =>
  fingerprint(
    [
      'CMakeLists.txt',
      'native',
      'node_modules/node-addon-api/package.json',
      'node_modules/cmake-js/package.json',
    ],
    [process.env.CXX, process.env.CXXFLAGS, process.env.QLORA_CUDA],
  )

async function compile() {
  const before = print()
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2 ** 30)))
  await run('addon', process.execPath, [
    'node_modules/cmake-js/bin/cmake-js',
    'compile',
    '--parallel',
    String(jobs),
  ])
  stamp('build', before)
}

export const addon = {
  title: 'native addon (cmake-js)',
  isCurrent: () => existsSync(join(root, product)) && isStamped('build', print()),
  make: compile,
}
