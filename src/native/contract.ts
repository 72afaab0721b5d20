import type { Described, DeviceHandle, RecordingHandle, TensorHandle } from './handles'
import type { Operations } from './operations.generated'

export type {
  BlockMaxima,
  Described,
  DescribedTensor,
  DeviceHandle,
  RecordingHandle,
  TensorHandle,
} from './handles'

/**
 * The one typed contract of the native addon: every name that it exports. `test/native/contract.test.ts`
 * compares it with the loaded module in both directions. Operations check their arguments and throw at once;
 * then they run on the device's own thread, in the order of the calls. They return nothing; an error while
 * running rejects the next promise. Their types are generated from native/core/ops.inc, which describes what
 * each computes, with shapes.
 */
export interface NativeAddon
  extends
    DeviceFunctions,
    TensorFunctions,
    Operations,
    RecordingFunctions,
    SizeFunctions,
    GgmlFunctions,
    GroupFunctions {}

export interface DeviceFunctions {
  open_device(name: string): DeviceHandle
  /**
   * The number of CUDA devices.
   * @throws Error when the CUDA library was not built or finds no driver.
   */
  cuda_device_count(): number
  /** Lines "key=value": isa, bf16_dot, num_threads; for a GPU its name, capability, memory and libraries. */
  device_info(device: DeviceHandle): string
  set_num_threads(device: DeviceHandle, n: number): void
  memory_stats(device: DeviceHandle): { allocated: number; peak: number; reserved: number; pinned: number }
  reset_peak_memory(device: DeviceHandle): void
  empty_cache(device: DeviceHandle): void
  synchronize(device: DeviceHandle): Promise<void>
}

export interface TensorFunctions {
  tensor_empty(device: DeviceHandle, dtype: string, shape: readonly number[]): TensorHandle
  tensor_empty_pinned(device: DeviceHandle, dtype: string, shape: readonly number[]): TensorHandle
  tensor_view(
    tensor: TensorHandle,
    dtype: string,
    shape: readonly number[],
    byte_offset: number,
  ): TensorHandle
  tensor_release(tensor: TensorHandle): void
  tensor_write(tensor: TensorHandle, bytes: Uint8Array): void
  tensor_read(tensor: TensorHandle): Promise<ArrayBuffer>
  tensor_read_file(tensor: TensorHandle, path: string, offset: number): Promise<void>
}

/** Operations that are run many times: a GPU starts them as one graph, without host work for each operation. */
export interface RecordingFunctions {
  /**
   * Records the operations that `body` calls on the device instead of running them. Their tensors stay in
   * memory as long as the recording.
   * @throws Error when body writes or reads a tensor, or the device cannot prepare the operations.
   */
  record(device: DeviceHandle, body: () => void): RecordingHandle
  replay(recording: RecordingHandle): void
  release_recording(recording: RecordingHandle): void
}

/** Memory sizes of a backend. They need no device, so plans for a GPU can be made on any machine. */
export interface SizeFunctions {
  /**
   * Bytes of scratch memory that an operation needs while it runs, in addition to its tensors. `args` are those
   * of the call, with descriptions in place of handles. For 'cuda': on a GPU of compute capability 9.0 with
   * cuDNN.
   */
  scratch_bytes<Name extends keyof Operations>(
    backend: 'cpu' | 'cuda',
    operation: Name,
    args: Described<Parameters<Operations[Name]>>,
  ): number
  /** The operations whose `scratch_bytes` is not always 0, in no particular order. */
  scratch_operations(backend: 'cpu' | 'cuda'): string[]
  /** Bytes of device memory, or of page-locked host memory, that a tensor of `bytes` bytes occupies. */
  allocation_bytes(backend: 'cpu' | 'cuda', place: 'device' | 'host', bytes: number): number
}

export interface GgmlFunctions {
  /**
   * The ggml blocks of a float32 tensor on the CPU, concatenated. Bit for bit those of llama.cpp's reference
   * quantizers without an importance matrix.
   */
  quantize_ggml(
    tensor: TensorHandle,
    format: 'Q4_0' | 'Q5_0' | 'Q5_1' | 'Q8_0' | 'Q4_K' | 'Q5_K' | 'Q6_K',
  ): Promise<ArrayBuffer>
}

/**
 * Collectives between the ranks of a group, one device of each: MPI between CPUs, NCCL between GPUs. All ranks call the same ones in the
 * same order. Each begins in the order of the device's queue and runs beside what follows; its tensors are not to be touched or released
 * before `finish_collective`. A failure rejects the next promise of the device.
 */
export interface GroupFunctions {
  /** What rank 0 makes and every rank opens its group with; empty on a CPU. */
  group_id(device: DeviceHandle): Uint8Array
  /** Resolves with the library's name and version when every rank has come. */
  open_group(device: DeviceHandle, rank: number, world: number, id: Uint8Array): Promise<string>
  /** Leaves the group when everything enqueued has run and the others leave it too. Blocks. */
  close_group(device: DeviceHandle): void
  /** What is under way, and every later collective, fails with `reason`. */
  abort_group(device: DeviceHandle, reason: string): void
  /** Collectives begun and done. */
  group_progress(device: DeviceHandle): { begun: number; done: number }
  /** x = sum over the ranks of x, float32; the same bits on every rank. */
  all_reduce(x: TensorHandle): void
  /** out = x [n] of each rank in turn; x may be this rank's part of out. */
  all_gather(x: TensorHandle, out: TensorHandle): void
  /** out [n] = this rank's part of the sum over the ranks of x [world * n], float32. */
  reduce_scatter(x: TensorHandle, out: TensorHandle): void
  /** x = x of rank `root`. */
  broadcast(x: TensorHandle, root: number): void
  /** What follows runs when every rank has come here. */
  barrier(device: DeviceHandle): void
  /** What follows sees the result in `out`, which a collective was begun for. */
  finish_collective(out: TensorHandle): void
}
