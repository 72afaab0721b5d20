import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'

interface Parked {
  /** Puts the tensor that came back where the one that left was. */
  put: (tensor: Tensor) => void
  owner: Scope
  host: Tensor
  /** On the device: while the copy out is under way, and again from `fetch` on. */
  tensor: Tensor | undefined
}

/**
 * Tensors that spend the time between forward and backward in page-locked host memory. Copies run beside the operations:
 * out while the next layer runs forward, back while the layer after it runs backward.
 */
export class Parking {
  private leaving: Parked[] = []
  private readonly parked: Map<number, Parked[]> = new Map()

  constructor(private readonly device: Device) {}

  /** Starts the way out. The tensor stays valid until `settle`. */
  park(layer: number, tensor: Tensor, owner: Scope, put: (tensor: Tensor) => void): void {
    const host = this.device.emptyPinned(tensor.shape, tensor.dtype)
    addon().start_copy(tensor.handle, host.handle)
    const item: Parked = { put, owner, host, tensor }
    this.leaving.push(item)
    const items = this.parked.get(layer)
    if (items) items.push(item)
    else this.parked.set(layer, [item])
  }

  /** Frees what was parked so far: what is enqueued from here on waits for the copies. */
  settle(): void {
    for (const item of this.leaving) {
      addon().finish_copy(item.host.handle)
      item.owner.free(item.tensor!)
      item.tensor = undefined
    }
    this.leaving = []
  }

  /** Starts the way back of a layer's tensors. */
  fetch(layer: number): void {
    for (const item of this.parked.get(layer) ?? []) {
      item.tensor = item.owner.empty(item.host.shape, item.host.dtype)
      addon().start_copy(item.host.handle, item.tensor.handle)
    }
  }

  /** From here on the layer's tensors are at their places again. */
  arrive(layer: number): void {
    for (const { tensor, host, put } of this.parked.get(layer) ?? []) {
      addon().finish_copy(tensor!.handle)
      host.dispose()
      put(tensor!)
    }
    this.parked.delete(layer)
  }

  /** After an error: nothing is under way any more, and host memory is free. */
  [Symbol.dispose](): void {
    this.settle()
    for (const { host, tensor } of [...this.parked.values()].flat()) {
      if (tensor) addon().finish_copy(tensor.handle)
      host.dispose()
    }
    this.parked.clear()
  }
}
