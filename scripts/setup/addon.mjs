import { existsSync, rmSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import { cudaPlan } from './cuda.mjs'
import { cudnnHeaders, fetchCudnnHeaders } from './cudnn-headers.mjs'
import { fingerprint, isStamped, root, run, stamp } from './step.mjs'

const product = 'build/Release/qlora.node'
const library = 'build/Release/qlora-cuda.so'

let planned
const plan = () => (planned ??= cudaPlan())

const print = () =>
  fingerprint(
    [
      'CMakeLists.txt',
      'native',
      'node_modules/node-addon-api/package.json',
      'node_modules/cmake-js/package.json',
    ],
    [
      process.env.CXX,
      process.env.CXXFLAGS,
      plan().architectures ?? 'no CUDA',
      plan().build && cudnnHeaders(),
    ],
  )

async function compile() {
  const { build, architectures, nvcc } = plan()
  if (build) await fetchCudnnHeaders()
  const before = print()
  // One of an earlier build would not fit the addon.
  if (!build) rmSync(join(root, library), { force: true })
  const jobs = Math.max(1, Math.min(availableParallelism(), Math.floor(totalmem() / 2 ** 30)))
  const env = { ...process.env, QLORA_CUDA: build ? '1' : '0', ...(build && { CUDACXX: nvcc }) }
  // Both commands get it: compiling begins anew, configuration included, when it fails.
  const gpus = build ? [`--CDCMAKE_CUDA_ARCHITECTURES=${architectures}`] : []
  const cmake = ['node_modules/cmake-js/bin/cmake-js', '--parallel', String(jobs), ...gpus]
  await run('addon-configure', process.execPath, [...cmake, 'configure'], { env })
  await run('addon', process.execPath, [...cmake, 'compile'], { env })
  stamp('build', before)
}

export const addon = {
  get title() {
    return `native addon (cmake-js; ${plan().note})`
  },
  isCurrent: () =>
    existsSync(join(root, product)) &&
    (!plan().build || existsSync(join(root, library))) &&
    isStamped('build', print()),
  make: compile,
}
