// Whether the addon gets its CUDA library, and for which GPUs.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { SetupError } from './step.mjs'

const oldest = 7.5
/** Code for each generation, and PTX of the newest for those to come. */
const everyGeneration = ['75-real', '80-real', '86-real', '89-real', '90-real', '100-real', '120']

/** nvcc and the places looked at. */
export function findNvcc(env = process.env) {
  const homes = [env.CUDA_HOME, env.CUDA_PATH, '/usr/local/cuda'].filter(Boolean)
  const folders = [...(env.PATH ?? '').split(delimiter), ...homes.map((home) => join(home, 'bin'))]
  const file = [env.CUDACXX, ...folders.map((folder) => join(folder, 'nvcc'))].find(
    (place) => place && existsSync(place),
  )
  return { file, searched: ['CUDACXX', 'PATH', ...homes.map((home) => join(home, 'bin'))].join(', ') }
}

/** Compute capabilities of the GPUs in this machine, as numbers. */
function gpuCapabilities() {
  const { status, stdout } = spawnSync('nvidia-smi', ['--query-gpu=compute_cap', '--format=csv,noheader'], {
    encoding: 'utf8',
  })
  if (status !== 0) return []
  return [...new Set(stdout.split('\n').map(Number).filter(Boolean))].sort()
}

/**
 * Built where there is nvcc and a GPU, for the GPUs of the machine. `QLORA_CUDA=0` leaves it out; `QLORA_CUDA=1` builds it also
 * without a GPU, for every generation: five minutes of one core's time. `CUDAARCHS` (CMake's variable) names other architectures.
 */
export function cudaPlan(env = process.env, capabilities = gpuCapabilities(), nvcc = findNvcc(env)) {
  const without = (reason) => ({ build: false, note: `no CUDA library: ${reason}` })
  const asked = env.QLORA_CUDA === '1'
  if (env.QLORA_CUDA === '0') return without('QLORA_CUDA=0')
  if (nvcc.file === undefined) {
    if (asked) throw new SetupError(`QLORA_CUDA=1, but there is no nvcc (looked at ${nvcc.searched})`)
    return without('no nvcc on this machine')
  }
  const usable = capabilities.filter((capability) => capability >= oldest)
  const names = usable.map((capability) => capability.toFixed(1)).join(', ')
  if (usable.length === 0 && capabilities.length > 0 && !asked) {
    const has = capabilities[0].toFixed(1)
    return without(`the GPU is of compute capability ${has}, ${oldest.toFixed(1)} is the least`)
  }
  if (capabilities.length === 0 && !asked && env.CUDAARCHS === undefined)
    return without('no GPU in this machine; QLORA_CUDA=1 builds it all the same')
  const own =
    usable.length > 0 ? usable.map((capability) => String(Math.round(capability * 10))) : everyGeneration
  const architectures = env.CUDAARCHS ?? own.join(';')
  return {
    build: true,
    architectures,
    nvcc: nvcc.file,
    note: `with the CUDA library for ${env.CUDAARCHS ?? (names ? `compute capability ${names}` : 'all GPUs from 7.5')}`,
  }
}
