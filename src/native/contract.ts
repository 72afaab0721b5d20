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
 * The one typed contract of the native addon: every name it exports. `test/native/contract.test.ts` compares it
 * with the loaded module, both ways. Operations check their arguments and throw at once, then run in the
 * order of the calls on the device's own thread and return nothing; a failure while running rejects the next promise.
 * Their types are generated from native/core/ops.inc, which says what each computes, with shapes.
 */
export interface NativeAddon
  extends DeviceFunctions, TensorFunctions, Operations, RecordingFunctions, SizeFunctions, GgmlFunctions {}

export interface DeviceFunctions {
  open_device(name: string): DeviceHandle
  /** @throws Error when the CUDA library was not built or finds no driver. */
  cuda_device_count(): number
  /** Lines "key=value": isa, bf16_dot, num_threads; of a GPU its name, capability, memory, libraries. */
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

/** Operations that run again and again: a GPU starts them as one graph, without the host's work for each. */
export interface RecordingFunctions {
  /**
   * The operations that `body` calls on the device are not run but kept, with their tensors, which stay in memory with the recording.
   * @throws Error when body writes or reads a tensor, or the device cannot prepare the operations.
   */
  record(device: DeviceHandle, body: () => void): RecordingHandle
  replay(recording: RecordingHandle): void
  release_recording(recording: RecordingHandle): void
}

/** What a backend's memory would take: answered without the backend, so that a GPU's plans can be made anywhere. */
export interface SizeFunctions {
  /**
   * Bytes that an operation takes while it runs, beside its tensors. `args` as it is called, with descriptions for handles.
   * Of a GPU: one of compute capability 9.0 with cuDNN.
   */
  scratch_bytes<Name extends keyof Operations>(
    backend: 'cpu' | 'cuda',
    operation: Name,
    args: Described<Parameters<Operations[Name]>>,
  ): number
  /** The operations whose `scratch_bytes` are not always 0, in no order. */
  scratch_operations(backend: 'cpu' | 'cuda'): string[]
  /** What a tensor of so many bytes takes of the device's memory, or of the host's that is page-locked. */
  allocation_bytes(backend: 'cpu' | 'cuda', place: 'device' | 'host', bytes: number): number
}

export interface GgmlFunctions {
  /**
   * ggml's blocks of a float32 tensor on the CPU, one after another, equal to the bit to those of llama.cpp's reference
   * quantizers without an importance matrix.
   */
  quantize_ggml(
    tensor: TensorHandle,
    format: 'Q4_0' | 'Q5_0' | 'Q5_1' | 'Q8_0' | 'Q4_K' | 'Q5_K' | 'Q6_K',
  ): Promise<ArrayBuffer>
}
