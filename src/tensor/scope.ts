import type { Device } from './device'
import type { DType } from './dtype'
import type { Tensor } from './tensor'

/**
 * Owns temporary tensors: every tensor made through a scope is freed with it, unless `keep` took it out. Freed
 * memory is reused in the order of execution, so a scope may be disposed while operations are still queued.
 */
export class Scope {
  private tensors: Set<Tensor> = new Set()

  constructor(readonly device: Device) {}

  empty(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return this.add(this.device.empty(shape, dtype))
  }

  /** Puts a tensor under this scope. */
  add(tensor: Tensor): Tensor {
    this.tensors.add(tensor)
    return tensor
  }

  /** Takes a tensor out: the caller owns it now. */
  keep(tensor: Tensor): Tensor {
    this.tensors.delete(tensor)
    return tensor
  }

  /** Frees one tensor before the scope ends. */
  free(tensor: Tensor): void {
    this.tensors.delete(tensor)
    tensor.dispose()
  }

  dispose(): void {
    for (const tensor of this.tensors) tensor.dispose()
    this.tensors.clear()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
