import type { NativeAddon } from '../native/contract'
import { itemsize, type DType } from '../tensor/dtype'
import { Ledger } from './ledger'
import type { Machine } from './machine'
import type { TensorShape } from './tensor-shape'

interface Storage {
  bytes: number
  ledger: Ledger
  users: number
  taken: boolean
  /** Number of the last operation that used it. */
  lastUse: number
}

/** What stands for a tensor: its shape and whose bytes it uses. */
interface CountedTensor extends TensorShape {
  storage: Storage
}

/**
 * The addon's contract without the arithmetic: tensors are numbers in two ledgers. Memory counts as it does in the native backends:
 * from the first operation that touches a tensor, rounded as the machine's allocator does, and during an operation with what that
 * takes for itself. It ends with the release, or where the host runs ahead of the device, with the last operation before it.
 */
export class CountingAddon {
  readonly device: Ledger = new Ledger()
  readonly host: Ledger
  readonly functions: NativeAddon
  private readonly tensors: Map<object, CountedTensor> = new Map()
  private operations = 0

  constructor(private readonly machine: Machine) {
    this.host = machine.sharesHost ? this.device : new Ledger()
    const memory: Record<string, (...args: never[]) => unknown> = {
      open_device: () => ({}),
      tensor_empty: (_: object, dtype: DType, shape: readonly number[]) => this.empty('device', dtype, shape),
      tensor_empty_pinned: (_: object, dtype: DType, shape: readonly number[]) =>
        this.empty('host', dtype, shape),
      tensor_view: (handle: object, dtype: DType, shape: readonly number[]) =>
        this.view(handle, dtype, shape),
      tensor_release: (handle: object) => this.release(handle),
    }
    const table: Record<string, unknown> = memory
    this.functions = new Proxy({} as NativeAddon, {
      get: (_, name: string) => (table[name] ??= (...args: unknown[]) => this.operation(name, args)),
    })
  }

  /** What follows is measured anew. */
  restart(): void {
    this.device.restart(this.operations)
    if (this.host !== this.device) this.host.restart(this.operations)
  }

  private empty(place: 'device' | 'host', dtype: DType, shape: readonly number[]): object {
    const bytes = this.machine.rounded(shape.reduce((n, d) => n * d, 1) * itemsize[dtype], place)
    return this.make({ bytes, ledger: this[place], users: 0, taken: false, lastUse: 0 }, shape, dtype)
  }

  private view(handle: object, dtype: DType, shape: readonly number[]): object {
    return this.make(this.tensors.get(handle)!.storage, shape, dtype)
  }

  private make(storage: Storage, shape: readonly number[], dtype: DType): object {
    const handle = {}
    storage.users += 1
    this.tensors.set(handle, { storage, shape, dtype })
    return handle
  }

  private release(handle: object): void {
    const { storage } = this.tensors.get(handle)!
    this.tensors.delete(handle)
    storage.users -= 1
    if (storage.users > 0 || !storage.taken) return
    const { releasesEarly } = this.machine
    storage.ledger.giveBack(storage.bytes, releasesEarly ? storage.lastUse : this.operations - 1)
  }

  private operation(name: string, args: readonly unknown[]): void {
    const tensors = args.map((argument) => this.touch(argument))
    const scratch = this.machine.scratch(name, tensors, args)
    if (scratch > 0) {
      this.device.take(scratch, this.operations)
      this.device.giveBack(scratch, this.operations)
    }
    this.operations += 1
  }

  private touch(argument: unknown): CountedTensor | undefined {
    if (Array.isArray(argument)) for (const each of argument) this.touch(each)
    const tensor = this.tensors.get(argument as object)
    if (!tensor) return undefined
    const { storage } = tensor
    storage.lastUse = this.operations
    if (!storage.taken) storage.ledger.take(storage.bytes, this.operations)
    storage.taken = true
    return tensor
  }
}
