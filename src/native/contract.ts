/** A native tensor, opaque to JavaScript. */
export type TensorHandle = { readonly __tensor: never }
/** A native device, opaque to JavaScript. */
export type DeviceHandle = { readonly __device: never }

/**
 * The one typed contract of the native addon: every name it exports. `test/native/contract.test.ts` compares this
 * list with the loaded module, both ways. Operations check their arguments and throw at once, then run in the
 * order of the calls on the device's own thread and return nothing; a failure while running rejects the next promise.
 * What each operation computes, with shapes, is written in native/core/ops.inc.
 */
export interface NativeAddon extends DeviceFunctions, TensorFunctions, Operations {}

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

export interface Operations {
  fill(out: TensorHandle, value: number): void
  copy(x: TensorHandle, out: TensorHandle): void
  copy_columns(x: TensorHandle, out: TensorHandle, column: number, transpose: boolean, scale: number): void
  start_copy(x: TensorHandle, out: TensorHandle): void
  finish_copy(out: TensorHandle): void
  add(a: TensorHandle, b: TensorHandle, out: TensorHandle, alpha: number): void
  add_bias(x: TensorHandle, bias: TensorHandle, out: TensorHandle): void
  sum_rows(x: TensorHandle, out: TensorHandle, beta: number): void
  scale_rows(x: TensorHandle, scale: TensorHandle, out: TensorHandle, per_column: boolean): void
  row_norm(x: TensorHandle, out: TensorHandle, inverse: boolean): void
  dot_columns(a: TensorHandle, b: TensorHandle, out: TensorHandle, beta: number): void
  gather_rows(x: TensorHandle, index: TensorHandle, out: TensorHandle): void
  scatter_rows(x: TensorHandle, index: TensorHandle, out: TensorHandle): void
  random_uniform(out: TensorHandle, low: number, high: number, seed: number, stream: number): void
  random_normal(out: TensorHandle, mean: number, std: number, seed: number, stream: number): void
  dropout(
    x: TensorHandle,
    out: TensorHandle,
    p: number,
    seed: number,
    stream: number,
    substream: number,
  ): void
  quantize_4bit(
    x: TensorHandle,
    codes: TensorHandle,
    absmax: TensorHandle,
    quant_type: string,
    blocksize: number,
  ): void
  quantize_absmax(
    absmax: TensorHandle,
    code_map: TensorHandle,
    q: TensorHandle,
    nested_absmax: TensorHandle,
    offset: TensorHandle,
    blocksize: number,
  ): void
  dequantize_4bit(
    codes: TensorHandle,
    absmax: TensorHandle,
    code_map: TensorHandle | undefined,
    nested_absmax: TensorHandle | undefined,
    offset: TensorHandle | undefined,
    nested_blocksize: number,
    out: TensorHandle,
    quant_type: string,
    blocksize: number,
    in_features: number,
  ): void
  matmul(
    a: TensorHandle,
    b: TensorHandle,
    out: TensorHandle,
    transpose_a: boolean,
    transpose_b: boolean,
    alpha: number,
    beta: number,
    operand_dtype: string,
  ): void
  matmul_4bit(
    x: TensorHandle,
    codes: TensorHandle,
    absmax: TensorHandle,
    code_map: TensorHandle | undefined,
    nested_absmax: TensorHandle | undefined,
    offset: TensorHandle | undefined,
    nested_blocksize: number,
    out: TensorHandle,
    out_features: number,
    in_features: number,
    quant_type: string,
    blocksize: number,
    transpose: boolean,
    alpha: number,
    beta: number,
    weight_dtype: string,
    operand_dtype: string,
  ): void
  rms_norm_forward(
    x: TensorHandle,
    weight: TensorHandle,
    out: TensorHandle,
    rstd: TensorHandle,
    eps: number,
  ): void
  rms_norm_backward(
    dout: TensorHandle,
    x: TensorHandle,
    weight: TensorHandle,
    rstd: TensorHandle,
    residual: TensorHandle | undefined,
    dx: TensorHandle,
    dweight: TensorHandle | undefined,
  ): void
  rope(
    x: TensorHandle,
    positions: TensorHandle,
    inv_freq: TensorHandle,
    out: TensorHandle,
    head_dim: number,
    scaling: number,
    inverse: boolean,
  ): void
  attention_forward(
    q: TensorHandle,
    k: TensorHandle,
    v: TensorHandle,
    cu_q: TensorHandle,
    cu_k: TensorHandle,
    out: TensorHandle,
    lse: TensorHandle,
    heads: number,
    kv_heads: number,
    scale: number,
    window: number,
    max_length: number,
  ): void
  attention_backward(
    dout: TensorHandle,
    q: TensorHandle,
    k: TensorHandle,
    v: TensorHandle,
    out: TensorHandle,
    lse: TensorHandle,
    cu: TensorHandle,
    dq: TensorHandle,
    dk: TensorHandle,
    dv: TensorHandle,
    heads: number,
    kv_heads: number,
    scale: number,
    window: number,
    max_length: number,
    deterministic: boolean,
  ): void
  swiglu_forward(gate: TensorHandle, up: TensorHandle, out: TensorHandle): void
  swiglu_backward(
    dout: TensorHandle,
    gate: TensorHandle,
    up: TensorHandle,
    dgate: TensorHandle,
    dup: TensorHandle,
    out: TensorHandle | undefined,
  ): void
  cross_entropy(
    logits: TensorHandle,
    labels: TensorHandle,
    stats: TensorHandle,
    dlogits: TensorHandle | undefined,
    grad_scale: number,
  ): void
  global_norm(tensors: TensorHandle[], norm: TensorHandle): void
  clip_by_norm(tensors: TensorHandle[], norm: TensorHandle, max_norm: number): void
  adamw(
    params: TensorHandle[],
    grads: TensorHandle[],
    exp_avgs: TensorHandle[],
    exp_avg_sqs: TensorHandle[],
    norm: TensorHandle | undefined,
    max_norm: number,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weight_decay: number,
    step: number,
  ): void
  adamw_8bit(
    params: TensorHandle[],
    grads: TensorHandle[],
    codes1: TensorHandle[],
    absmax1: TensorHandle[],
    codes2: TensorHandle[],
    absmax2: TensorHandle[],
    signed_map: TensorHandle,
    unsigned_map: TensorHandle,
    norm: TensorHandle | undefined,
    max_norm: number,
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    weight_decay: number,
    step: number,
  ): void
  lion(
    params: TensorHandle[],
    grads: TensorHandle[],
    exp_avgs: TensorHandle[],
    norm: TensorHandle | undefined,
    max_norm: number,
    lr: number,
    beta1: number,
    beta2: number,
    weight_decay: number,
  ): void
  lion_8bit(
    params: TensorHandle[],
    grads: TensorHandle[],
    codes: TensorHandle[],
    absmax: TensorHandle[],
    signed_map: TensorHandle,
    norm: TensorHandle | undefined,
    max_norm: number,
    lr: number,
    beta1: number,
    beta2: number,
    weight_decay: number,
  ): void
  sgd(
    params: TensorHandle[],
    grads: TensorHandle[],
    buffers: TensorHandle[],
    norm: TensorHandle | undefined,
    max_norm: number,
    lr: number,
    momentum: number,
    dampening: number,
    nesterov: boolean,
    weight_decay: number,
    first: boolean,
  ): void
}
