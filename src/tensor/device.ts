import { addon } from '../native/addon'
import type { DeviceHandle } from '../native/contract'
import type { DType } from './dtype'
import { Scope } from './scope'
import { Tensor } from './tensor'

/** Bytes held by tensors of a device. */
export interface MemoryStats {
  allocated: number
  /** Largest `allocated` since `resetPeakMemory`. */
  peak: number
  /** `allocated` plus what is kept for reuse. */
  reserved: number
  /**
   * Page-locked host memory held by `emptyPinned` and by reads in progress; 0 on the CPU, where it is part of
   * `allocated`.
   */
  pinned: number
}

const devices: Map<string, Device> = new Map()

/** Where tensors live and operations run. One object per name and process; operations run in the order of the calls. */
export class Device {
  private constructor(
    readonly name: string,
    /** The native device. @internal */
    readonly handle: DeviceHandle,
  ) {}

  /** @throws Error when the name is not one of this build's devices ('cpu'). */
  static get(name = 'cpu'): Device {
    let device = devices.get(name)
    if (!device) {
      device = new Device(name, addon().open_device(name))
      devices.set(name, device)
    }
    return device
  }

  /** Instruction set, threads and other facts of the device. */
  get info(): Record<string, string> {
    const lines = addon().device_info(this.handle).split('\n')
    return Object.fromEntries(lines.map((line) => line.split('=', 2) as [string, string]))
  }

  /** The number of tokens in a product should be a multiple of this: a GPU reads 16 bytes at a time. @internal */
  get rowMultiple(): number {
    return this.isCpu ? 1 : 8
  }

  /** Whether a product with a 4-bit weight dequantizes the whole matrix first, for a GPU's libraries. @internal */
  get dequantizesWhole(): boolean {
    return !this.isCpu
  }

  /** True for the CPU, and for the planner's substitute for it. */
  get isCpu(): boolean {
    return this.name.endsWith('cpu')
  }

  /** A tensor whose contents are undefined until an operation writes it. */
  empty(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return new Tensor(addon().tensor_empty(this.handle, dtype, shape), shape, dtype, this)
  }

  /**
   * Like `empty`, in page-locked host memory: every operation of the device reads and writes it in place, at
   * the speed of the bus, and copies to and from it run asynchronously. On the CPU the same as `empty`.
   */
  emptyPinned(shape: readonly number[], dtype: DType = 'float32'): Tensor {
    return new Tensor(addon().tensor_empty_pinned(this.handle, dtype, shape), shape, dtype, this)
  }

  /** A scope that collects the tensors made through it and frees them together. */
  scope(): Scope {
    return new Scope(this)
  }

  /** Resolves when everything enqueued so far has run; rejects with the first failure since the last wait. */
  synchronize(): Promise<void> {
    return addon().synchronize(this.handle)
  }

  /** CPU only: threads that share one operation. Default: the machine's cores. */
  setNumThreads(n: number): void {
    addon().set_num_threads(this.handle, n)
  }

  memoryStats(): MemoryStats {
    return addon().memory_stats(this.handle)
  }

  /** Enqueued like an operation: the peak counts from the operations before it. */
  resetPeakMemory(): void {
    addon().reset_peak_memory(this.handle)
  }

  /** Gives memory that is cached for reuse back to the system. */
  emptyCache(): void {
    addon().empty_cache(this.handle)
  }
}
