import { addon } from '../native/addon'
import type { RecordingHandle } from '../native/contract'
import type { Device } from './device'

/**
 * Operations that can be run many times on the same tensors; on a GPU as one CUDA graph. The tensors stay in
 * memory until `dispose`, even those that `body` disposed of.
 */
export class Recording {
  private handle: RecordingHandle | undefined

  /**
   * Records the operations that `body` calls on the device instead of running them.
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
