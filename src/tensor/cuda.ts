import { addon } from '../native/addon'
import { Device } from './device'

/** The GPU `index`, or an Error with the reason why there is none: no CUDA library, no driver, no such device. */
export function openCuda(index: number): Device | Error {
  try {
    return Device.get(`cuda:${index}`)
  } catch (error) {
    return error as Error
  }
}

function required(index: number): Device {
  const device = openCuda(index)
  if (device instanceof Device) return device
  throw new Error(`[cuda] device ${index} is not available: ${device.message}`)
}

/** The number of GPUs, or an Error with the reason why they cannot be counted. */
export function countDevices(): number | Error {
  try {
    return addon().cuda_device_count()
  } catch (error) {
    return error as Error
  }
}

/** Properties of a GPU, with torch's names. Memory is in bytes. */
export interface CudaDeviceProperties {
  name: string
  /** Compute capability: major.minor. */
  major: number
  minor: number
  total_memory: number
  multi_processor_count: number
  L2_cache_size: number
  shared_memory_per_multiprocessor: number
}

/**
 * `torch.cuda` for cells. `device` is a GPU's number, default 0. Everything but `is_available` and
 * `device_count` throws an Error with the reason when that GPU cannot be opened. Memory is counted when work is
 * enqueued; call `await synchronize()` first to count what remains when all work has finished.
 */
export const cuda: {
  /** Whether this build has the CUDA backend and a GPU can be opened. */
  is_available(): boolean
  /** GPUs of this machine; 0 without a driver or the CUDA library. */
  device_count(): number
  get_device_name(device?: number): string
  /** [major, minor] */
  get_device_capability(device?: number): [number, number]
  get_device_properties(device?: number): CudaDeviceProperties
  /** [free, total] bytes of the GPU, over all processes. */
  mem_get_info(device?: number): [number, number]
  /** Bytes held by tensors of this process. */
  memory_allocated(device?: number): number
  /** The most of `memory_allocated` since the last `reset_peak_memory_stats`. */
  max_memory_allocated(device?: number): number
  /** Bytes taken from the GPU: held by tensors, or cached for the next ones. */
  memory_reserved(device?: number): number
  reset_peak_memory_stats(device?: number): void
  /** Gives cached memory back to the GPU. */
  empty_cache(device?: number): void
  /** Resolves when everything enqueued so far has run; rejects with the first failure since the last wait. */
  synchronize(device?: number): Promise<void>
} = {
  is_available: () => openCuda(0) instanceof Device,
  device_count: () => {
    const count = countDevices()
    return count instanceof Error ? 0 : count
  },
  get_device_name: (device = 0) => required(device).info['name']!,
  get_device_capability: (device = 0) => {
    const { major, minor } = properties(device)
    return [major, minor]
  },
  get_device_properties: (device = 0) => properties(device),
  mem_get_info: (device = 0) => {
    const { free_memory, total_memory } = required(device).info
    return [Number(free_memory), Number(total_memory)]
  },
  memory_allocated: (device = 0) => required(device).memoryStats().allocated,
  max_memory_allocated: (device = 0) => required(device).memoryStats().peak,
  memory_reserved: (device = 0) => required(device).memoryStats().reserved,
  reset_peak_memory_stats: (device = 0) => required(device).resetPeakMemory(),
  empty_cache: (device = 0) => required(device).emptyCache(),
  synchronize: (device = 0) => required(device).synchronize(),
}

function properties(device: number): CudaDeviceProperties {
  const { info } = required(device)
  const [major, minor] = info['capability']!.split('.').map(Number)
  return {
    name: info['name']!,
    major: major!,
    minor: minor!,
    total_memory: Number(info['total_memory']),
    multi_processor_count: Number(info['multiprocessors']),
    L2_cache_size: Number(info['l2_cache']),
    shared_memory_per_multiprocessor: Number(info['shared_memory']),
  }
}
