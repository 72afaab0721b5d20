import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'

interface Parked {
  /** Stores the tensor that was copied back in place of the original. */
  put: (tensor: Tensor) => void
  owner: Scope
  host: Tensor
  /** The tensor on the device: while the copy out is in progress, and again from `fetch` on. */
  tensor: Tensor | undefined
}

/**
 * Tensors that are in page-locked host memory between forward and backward. The copies run beside the
 * operations: out while the next layer runs forward, back while the layer above runs backward.
 */
export class Parking {
  private leaving: Parked[] = []
  private readonly parked: Map<number, Parked[]> = new Map()

  constructor(private readonly device: Device) {}

  /** Starts the copy to the host. The tensor stays valid until `settle`. */
  park(layer: number, tensor: Tensor, owner: Scope, put: (tensor: Tensor) => void): void {
    const host = this.device.emptyPinned(tensor.shape, tensor.dtype)
    addon().start_copy(tensor.handle, host.handle)
    const item: Parked = { put, owner, host, tensor }
    this.leaving.push(item)
    const items = this.parked.get(layer)
    if (items) items.push(item)
    else this.parked.set(layer, [item])
  }

  /** Frees the device memory of what was parked so far: operations enqueued from now on wait for the copies. */
  settle(): void {
    for (const item of this.leaving) {
      addon().finish_copy(item.host.handle)
      item.owner.free(item.tensor!)
      item.tensor = undefined
    }
    this.leaving = []
  }

  /** Starts the copies of a layer's tensors back to the device. */
  fetch(layer: number): void {
    for (const item of this.parked.get(layer) ?? []) {
      item.tensor = item.owner.empty(item.host.shape, item.host.dtype)
      addon().start_copy(item.host.handle, item.tensor.handle)
    }
  }

  /** From now on the layer's tensors can be used again. */
  arrive(layer: number): void {
    for (const { tensor, host, put } of this.parked.get(layer) ?? []) {
      addon().finish_copy(tensor!.handle)
      host.dispose()
      put(tensor!)
    }
    this.parked.delete(layer)
  }

  /** After an error: waits until no copy is in progress, and frees the host memory. */
  [Symbol.dispose](): void {
    this.settle()
    for (const { host, tensor } of [...this.parked.values()].flat()) {
      if (tensor) addon().finish_copy(tensor.handle)
      host.dispose()
    }
    this.parked.clear()
  }
}
