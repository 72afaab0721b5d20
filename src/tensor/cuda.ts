/**
 * What the article asks of `torch.cuda`. This build has the CPU backend only, so no device is ever available;
 * scripts written against it go on to work when there is one.
 */
export const cuda: {
  /** Whether a CUDA device can be used by this build. */
  is_available(): boolean
  /** [major, minor] of a device. @throws Error while there is none. */
  get_device_capability(device?: number): [number, number]
  /** [free, total] bytes of a device's memory. @throws Error while there is none. */
  mem_get_info(device?: number): [number, number]
} = {
  is_available: () => false,
  get_device_capability: (device = 0) => noDevice(device),
  mem_get_info: (device = 0) => noDevice(device),
}

function noDevice(device: number): never {
  throw new Error(`[cuda] device ${device} is not available: this build of qlora has no CUDA backend`)
}
