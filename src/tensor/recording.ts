import { addon } from '../native/addon'
import type { RecordingHandle } from '../native/contract'
import type { Device } from './device'

/**
 * Operations that can be run again and again on the same tensors; on a GPU as one CUDA graph. The tensors stay in memory until
 * `dispose`, also those that the body disposed of.
 */
export class Recording {
  private handle: RecordingHandle | undefined

  /**
   * Operations that `body` calls on the device are kept, not run.
   * @throws Error when body writes or reads a tensor, or the device cannot prepare the operations.
   */
  constructor(device: Device, body: () => void) {
    this.handle = addon().record(device.handle, body)
  }

  /** Enqueues the operations, in their order. */
  replay(): void {
    if (!this.handle) throw new Error('[Recording.replay] the recording was disposed')
    addon().replay(this.handle)
  }

  dispose(): void {
    if (this.handle) addon().release_recording(this.handle)
    this.handle = undefined
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
