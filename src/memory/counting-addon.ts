import type { DescribedTensor, NativeAddon } from '../native/contract'
import type { Operations } from '../native/operations.generated'
import { itemsize, type DType } from '../tensor/dtype'
import { Ledger } from './ledger'
import type { Machine } from './machine'

interface Storage {
  bytes: number
  ledger: Ledger
  users: number
  taken: boolean
  /** Number of the last operation that used it. */
  lastUse: number
}

/** The handle of a tensor here: its description and the storage that it uses. */
class CountedTensor implements DescribedTensor {
  constructor(
    readonly storage: Storage,
    readonly shape: readonly number[],
    readonly dtype: DType,
  ) {
    storage.users += 1
  }
}

/**
 * The addon's contract without arithmetic: tensors are byte counts in two ledgers. Memory is counted as the
 * native backends use it:
 * - from the first operation that touches a tensor, rounded as the machine's allocator rounds it;
 * - during an operation, with the scratch memory of that operation;
 * - until the tensor is released, or, where the host runs ahead of the device, until the last operation before
 * that.
 */
export class CountingAddon {
  readonly device: Ledger = new Ledger()
  readonly host: Ledger
  readonly functions: NativeAddon
  private operations = 0

  constructor(private readonly machine: Machine) {
    this.host = machine.sharesHost ? this.device : new Ledger()
    const memory: Record<string, (...args: never[]) => unknown> = {
      open_device: () => ({}),
      tensor_empty: (_: object, dtype: DType, shape: readonly number[]) => this.empty('device', dtype, shape),
      tensor_empty_pinned: (_: object, dtype: DType, shape: readonly number[]) =>
        this.empty('host', dtype, shape),
      tensor_view: ({ storage }: CountedTensor, dtype: DType, shape: readonly number[]) =>
        new CountedTensor(storage, shape, dtype),
      tensor_write: (tensor: CountedTensor) => {
        this.touch(tensor)
        this.operations += 1
      },
      tensor_release: (tensor: CountedTensor) => this.release(tensor),
    }
    const table: Record<string, unknown> = memory
    this.functions = new Proxy({} as NativeAddon, {
      get: (_, name: string) => (table[name] ??= (...args: unknown[]) => this.operation(name, args)),
    })
  }

  /** Forgets the peaks measured so far. */
  restart(): void {
    this.device.restart(this.operations)
    if (this.host !== this.device) this.host.restart(this.operations)
  }

  private empty(place: 'device' | 'host', dtype: DType, shape: readonly number[]): CountedTensor {
    const asked = shape.reduce((n, d) => n * d, 1) * itemsize[dtype]
    const bytes = this.machine.sizes.allocation(place, asked)
    return new CountedTensor({ bytes, ledger: this[place], users: 0, taken: false, lastUse: 0 }, shape, dtype)
  }

  private release({ storage }: CountedTensor): void {
    storage.users -= 1
    if (storage.users > 0 || !storage.taken) return
    const { releasesEarly } = this.machine
    storage.ledger.giveBack(storage.bytes, releasesEarly ? storage.lastUse : this.operations - 1)
  }

  private operation(name: string, args: readonly unknown[]): void {
    for (const argument of args) this.touch(argument)
    const scratch = this.machine.sizes.scratch(name as keyof Operations, args as never)
    if (scratch > 0) {
      this.device.take(scratch, this.operations)
      this.device.giveBack(scratch, this.operations)
    }
    this.operations += 1
  }

  /** Marks the tensors of an argument as used: a tensor, a list of them, or block maxima. */
  private touch(argument: unknown): void {
    if (typeof argument !== 'object' || argument === null) return
    if (!(argument instanceof CountedTensor)) {
      for (const name in argument) this.touch((argument as Record<string, unknown>)[name])
      return
    }
    const { storage } = argument
    storage.lastUse = this.operations
    if (!storage.taken) storage.ledger.take(storage.bytes, this.operations)
    storage.taken = true
  }
}
