import { existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { addon, addonPlaces } from '../native/addon'
import { Device } from '../tensor/device'
import { countDevices, openCuda } from '../tensor/cuda'
import { answer, findTool } from './find'

/**
 * One line of the report. `fault`: something that should work does not; `absent`: something optional is
 * missing.
 */
export interface Finding {
  what: string
  state: 'ok' | 'absent' | 'fault'
  text: string
}

const root: string = resolve(__dirname, '../..')

/** What qlora finds on this machine, in order of dependency. */
export async function examine(): Promise<Finding[]> {
  const [gpus, nvcc, environment, specs] = await Promise.all([driver(), compiler(), python(), kernels()])
  return [
    {
      what: 'Node.js',
      state: 'ok',
      text: `${process.version}, ${process.platform} ${process.arch}, ${process.execPath}`,
    },
    ...processor(),
    gpus,
    ...graphics(gpus.state === 'ok'),
    nvcc,
    environment,
    ...specs,
    hub(),
  ]
}

function processor(): Finding[] {
  const places = addonPlaces()
  try {
    addon()
    const { isa, bf16_dot, num_threads } = Device.get().info
    const dot = bf16_dot === 'true' ? ' with bfloat16 products' : ''
    return [
      { what: 'addon', state: 'ok', text: places.find((place) => existsSync(place))! },
      { what: 'processor', state: 'ok', text: `${isa}${dot}, ${num_threads} threads` },
    ]
  } catch (error) {
    return [{ what: 'addon', state: 'fault', text: (error as Error).message }]
  }
}

async function driver(): Promise<Finding> {
  const query = 'index,name,driver_version,memory.total,compute_cap'
  const found = await answer('nvidia-smi', [`--query-gpu=${query}`, '--format=csv,noheader'])
  if (found === undefined || found === '')
    return {
      what: 'NVIDIA driver',
      state: 'absent',
      text: 'nvidia-smi is not on PATH or names no GPU: everything runs on the CPU',
    }
  const gpus = found.split('\n').map((line) => {
    const [index, name, version, memory, capability] = line.split(', ')
    return `GPU ${index} ${name}, ${memory}, compute capability ${capability}, driver ${version}`
  })
  return { what: 'NVIDIA driver', state: 'ok', text: gpus.join('\n') }
}

/** Our CUDA library and those of NVIDIA that it loads. A missing one is a fault if there is a GPU. */
function graphics(expected: boolean): Finding[] {
  const state = expected ? 'fault' : 'absent'
  const file = join(dirname(addonPlaces().find((place) => existsSync(place)) ?? ''), 'qlora-cuda.so')
  if (!existsSync(file))
    return [
      { what: 'CUDA library', state, text: `${file} was not built: npm run build, with nvcc on the machine` },
    ]
  const library: Finding = { what: 'CUDA library', state: 'ok', text: file }
  const count = countDevices()
  if (count instanceof Error) {
    const opened = count.message.includes('no usable NVIDIA GPU')
    return [opened ? library : { ...library, state: 'fault' }, { what: 'GPU', state, text: count.message }]
  }
  return [library, ...Array.from({ length: count }, (_, index) => gpuFindings(index)).flat()]
}

function gpuFindings(index: number): Finding[] {
  const device = openCuda(index)
  if (device instanceof Error) return [{ what: `cuda:${index}`, state: 'fault', text: device.message }]
  const { name, capability, free_memory, total_memory, cuda_runtime, cuda_driver, cublaslt, attention } =
    device.info
  const gib = (bytes: string | undefined): string => (Number(bytes) / 2 ** 30).toFixed(1)
  const version = (n: string | undefined): string =>
    `${Math.floor(Number(n) / 1000)}.${(Number(n) % 1000) / 10}`
  return [
    {
      what: `cuda:${index}`,
      state: 'ok',
      text: `${name}, compute capability ${capability}, ${gib(free_memory)} of ${gib(total_memory)} GiB free, CUDA ${version(cuda_runtime)} on a driver for ${version(cuda_driver)}`,
    },
    { what: 'cuBLASLt', state: 'ok', text: cublaslt ?? '' },
    { what: 'attention', state: 'ok', text: attention ?? '' },
  ]
}

async function compiler(): Promise<Finding> {
  const home = (name: string): string | undefined =>
    process.env[name] === undefined ? undefined : join(process.env[name], 'bin')
  const { file, searched } = findTool('nvcc', [home('CUDA_HOME'), home('CUDA_PATH'), '/usr/local/cuda/bin'])
  if (file === undefined)
    return {
      what: 'nvcc',
      state: 'absent',
      text: `not in ${searched}: the CUDA library cannot be built here`,
    }
  const release = /release ([\d.]+)/.exec((await answer(file, ['--version'])) ?? '')?.[1]
  return { what: 'nvcc', state: 'ok', text: `${file}${release === undefined ? '' : `, CUDA ${release}`}` }
}

/** The Python of the checkout's environment, else the one on PATH. */
function pythonFile(): string {
  const own = join(root, '.venv/bin/python')
  return existsSync(own) ? own : 'python3'
}

async function python(): Promise<Finding> {
  const file = pythonFile()
  const version = await answer(file, ['--version'])
  if (version === undefined)
    return { what: 'Python', state: 'absent', text: `neither ${join(root, '.venv')} nor python3 on PATH` }
  const lab = await answer(file, ['-m', 'jupyterlab', '--version'])
  return {
    what: 'Python',
    state: 'ok',
    text: `${file}, ${version.replace('Python ', '')}, ${lab === undefined ? 'no JupyterLab' : `JupyterLab ${lab}`}`,
  }
}

/** The kernels of that Python's Jupyter. */
async function kernels(): Promise<Finding[]> {
  const listed = await answer(pythonFile(), ['-m', 'jupyter', 'kernelspec', 'list', '--json'])
  if (listed === undefined)
    return [{ what: 'kernels', state: 'absent', text: `${pythonFile()} has no jupyter` }]
  const specs = (JSON.parse(listed) as { kernelspecs: Record<string, { resource_dir: string }> }).kernelspecs
  const finding = (name: string): Finding => {
    const place = specs[name]?.resource_dir
    return place === undefined
      ? { what: `${name} kernel`, state: 'absent', text: `not among ${Object.keys(specs).join(', ')}` }
      : { what: `${name} kernel`, state: 'ok', text: place }
  }
  const own = finding('qlora')
  return [own.state === 'ok' ? await checked(own) : own, finding('tslab')]
}

/** Asks the kernel's installer whether a kernelspec is its own and complete. */
async function checked(kernel: Finding): Promise<Finding> {
  const installer = join(root, 'dist-kernel/install/cli.js')
  const prefix = resolve(kernel.text, '../../../..')
  const healthy = await answer(process.execPath, [installer, 'kernel', 'doctor', '--prefix', prefix])
  if (healthy !== undefined) return kernel
  const how = `qlora kernel doctor --prefix ${prefix}`
  return { ...kernel, state: 'fault', text: `${kernel.text} is not in order; \`${how}\` says more` }
}

function hub(): Finding {
  const { HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE } = process.env
  const parts = [
    `endpoint ${HF_ENDPOINT ?? 'https://huggingface.co'}`,
    `cache ${HF_HOME ?? '~/.cache/huggingface'}`,
    HF_TOKEN === undefined ? 'HF_TOKEN is not set' : 'HF_TOKEN is set',
  ]
  if (HF_HUB_OFFLINE !== undefined) parts.push(`HF_HUB_OFFLINE=${HF_HUB_OFFLINE}`)
  return { what: 'hub', state: 'ok', text: parts.join(', ') }
}
