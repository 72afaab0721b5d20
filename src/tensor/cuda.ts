import { Device } from './device'

/** The GPU `index`, or why there is none: no CUDA library was built, no driver, no such device. */
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

/** What the article asks of `torch.cuda`. */
export const cuda: {
  /** Whether this build has the CUDA backend and a GPU can be opened. */
  is_available(): boolean
  /** [major, minor] of a device. @throws Error with the reason when it cannot be opened. */
  get_device_capability(device?: number): [number, number]
  /** [free, total] bytes of a device's memory. @throws Error with the reason when it cannot be opened. */
  mem_get_info(device?: number): [number, number]
} = {
  is_available: () => openCuda(0) instanceof Device,
  get_device_capability: (device = 0) => {
    const [major, minor] = required(device).info['capability']!.split('.').map(Number)
    return [major!, minor!]
  },
  mem_get_info: (device = 0) => {
    const { free_memory, total_memory } = required(device).info
    return [Number(free_memory), Number(total_memory)]
  },
}
