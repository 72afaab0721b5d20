// The headers that cuDNN's attention is compiled with. The library itself is looked for when it is used.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { findPython } from './tools.mjs'
import { root, run } from './step.mjs'

const fetched = '.cache/cuda-headers/include'
const script = 'scripts/setup/wheel_headers.py'
/** Later frontends need a header of the CUDA toolkit that is not always installed. */
const wheels = [
  ['nvidia-cudnn-cu13==9.19.1.2', 'nvidia/cudnn/include'],
  ['nvidia-cudnn-frontend==1.16.0', 'include'],
]

/** The folder that CMake will find each header in, undefined when one is missing. `QLORA_CUDNN_HEADERS` names one more. */
export function cudnnHeaders(env = process.env, base = root) {
  const system = ['/usr/local/include', '/usr/include']
  const folders = [env.QLORA_CUDNN_HEADERS, join(base, fetched), ...system].filter(Boolean)
  const found = ['cudnn.h', 'cudnn_frontend.h'].map((name) =>
    folders.find((folder) => existsSync(join(folder, name))),
  )
  return found.includes(undefined) ? undefined : found
}

/** Fetches them where they are missing, 3 MB. Says so in one line where that fails: then the own kernels compute attention. */
export async function fetchCudnnHeaders(sources = wheels, say = (text) => process.stdout.write(text)) {
  if (cudnnHeaders()) return
  const { command = 'python3' } = findPython()
  await run('cudnn-headers', command, [script, fetched, ...sources.flat()]).catch((error) => {
    const [reason] = error.message.split('\n')
    say(`\n  no cuDNN headers, attention will run on the library's own kernels (${reason})\n`)
  })
}
