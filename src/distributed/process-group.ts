import { checkNames } from '../options/parse'
import { logger } from '../logging'
import { Device } from '../tensor/device'
import { rankPlace, type RankPlace } from './environment'
import { ProcessGroup } from './group'

export interface ProcessGroupOptions {
  /** Of this rank. Default: the GPU of its LOCAL_RANK where there is a GPU, else the CPU. */
  device?: string
  /** 'nccl' on GPUs, 'mpi' on CPUs. Default: what the device asks for. */
  backend?: 'nccl' | 'mpi' | null
  /** Seconds that a rank may keep the others waiting before all of them fail. Default: 1800. */
  timeout?: number
}

let opening: Promise<ProcessGroup> | undefined
let current: ProcessGroup | undefined

/** The group of this process; undefined before `init_process_group`. */
export const processGroup = (): ProcessGroup | undefined => current

/**
 * Meets the other ranks that the launcher has started; a second call gives the same group. Trainers call it themselves where the world
 * is larger than one.
 * @throws Error when no launcher started this process, a rank does not come, or the engine's library is missing.
 */
export async function init_process_group(options: ProcessGroupOptions = {}): Promise<ProcessGroup> {
  checkNames('init_process_group', options, ['device', 'backend', 'timeout'])
  const place = rankPlace()
  if (!place)
    throw new Error(
      '[init_process_group] no launcher started this process: RANK and WORLD_SIZE are not set; use qlora launch, torchrun --no-python, mpirun or srun',
    )
  const device = Device.get(options.device ?? (await defaultDevice(place)))
  checkEngine(device, place, options.backend ?? null)
  opening ??= open(place, device, options.timeout ?? 1800)
  const group = await opening
  if (group.device !== device)
    throw new Error(
      `[init_process_group] this process is a rank on ${group.device.name} already; it cannot be one on ${device.name}`,
    )
  return group
}

/** Leaves the group, when the others leave it too. */
export function destroy_process_group(): void {
  current?.close()
  current = opening = undefined
}

async function defaultDevice({ localRank }: RankPlace): Promise<string> {
  const { countDevices } = await import('../tensor/cuda.js')
  const gpus = countDevices()
  return typeof gpus === 'number' && gpus > 0 ? `cuda:${localRank % gpus}` : 'cpu'
}

function checkEngine(device: Device, { launcher, world }: RankPlace, backend: string | null): void {
  const engine = device.isCpu ? 'mpi' : 'nccl'
  if (backend !== null && backend !== engine)
    throw new Error(
      `[init_process_group] backend: got '${backend}'; expected '${engine}', the engine for ${device.name}`,
    )
  if (device.isCpu && launcher === 'torchrun' && world > 1 && !process.env['OMPI_COMM_WORLD_SIZE'])
    throw new Error(
      `[init_process_group] ranks on CPUs meet over MPI, which torchrun does not start: use mpirun -n ${world} node SCRIPT or srun --mpi=pmix. torchrun --no-python starts ranks on GPUs`,
    )
}

async function open(place: RankPlace, device: Device, timeout: number): Promise<ProcessGroup> {
  if (device.isCpu && place.localWorld > 1) {
    const threads = Number(device.info['num_threads'])
    device.setNumThreads(Math.max(1, Math.floor(threads / place.localWorld)))
  }
  const group = await ProcessGroup.open(place, device, timeout).catch((error: unknown) => {
    opening = undefined
    throw error
  })
  current = group
  leaveAtExit(group)
  if (group.isMain) logger.info(`${place.world} ranks (${place.launcher}), ${group.library}`)
  return group
}

/** A script that ends well leaves the group; one that fails tells the others why. */
function leaveAtExit(group: ProcessGroup): void {
  let last: unknown
  const onError = (error: unknown): void => {
    last = error
  }
  process.on('uncaughtExceptionMonitor', onError)
  process.on('exit', (code) => {
    if (code === 0) group.close()
    else group.fail(last ?? new Error(`its script ended with exit code ${code}`))
  })
}
