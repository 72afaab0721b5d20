import { itemsize, type DType } from '../tensor/dtype'
import { attentionWorkspace } from './attention-workspace'
import type { TensorShape } from './tensor-shape'

/** What a plan depends on of the machine it is for. Bytes, bytes a second, operations a second. */
export interface Machine {
  /** Free for a training run: what its tensors may take. */
  free: number
  /** Page-locked host memory that may be used. */
  host: number
  /** Whether that is the device's own memory, so that offloading saves nothing. */
  sharesHost: boolean
  /** Operations wait in a queue, and a tensor that was released by then is freed by the last that uses it. */
  releasesEarly: boolean
  /** What the libraries take outside of tensors: context, kernels, workspaces. */
  fixed: number
  /** Products; attention forward, by a sequence's tokens; copies in device memory; host link, each way; locking host pages. */
  rates: {
    products: number
    attention: (length: number) => number
    copies: number
    link: number
    locking: number
  }
  /** What the allocator of the place takes for so many bytes. */
  rounded(bytes: number, place: 'device' | 'host'): number
  /** Memory that an operation takes while it runs. `args` as called, `tensors` those of them that are tensors. */
  scratch(operation: string, tensors: readonly (TensorShape | undefined)[], args: readonly unknown[]): number
}

/** One H100, the rates as measured (docs/benchmarks); others differ by their share of its products a second. */
export function cudaMachine(free: number, host: number, speed = 1): Machine {
  return {
    free,
    host,
    sharesHost: false,
    releasesEarly: false,
    fixed: (500 + 32) * 2 ** 20,
    rates: {
      products: 680e12 * speed,
      attention: (length) => (600e12 * speed * length) / (length + 850),
      copies: 2.9e12 * speed,
      link: 54e9,
      locking: 1.8e9,
    },
    rounded: (bytes, place) => (place === 'host' ? pinnedRounded(bytes) : bytes),
    scratch: cudaScratch,
  }
}

/** The CPU: host memory is its own, so nothing can be offloaded. `gflops`: one product's rate. */
export function cpuMachine(free: number, gflops = 100): Machine {
  const rate = gflops * 1e9
  return {
    free,
    host: 0,
    sharesHost: true,
    releasesEarly: true,
    fixed: 0,
    rates: { products: rate, attention: () => rate / 2, copies: 10e9, link: 0, locking: Infinity },
    rounded: cpuRounded,
    scratch: cpuScratch,
  }
}

/** As native/cuda/pinned.cpp. */
function pinnedRounded(bytes: number): number {
  return Math.ceil(bytes / 512) * 512
}

/** As native/cpu/allocator.cpp. */
function cpuRounded(bytes: number): number {
  let step = 64
  while (step * 32 < bytes && bytes > 64 * 1024) step *= 2
  return Math.ceil(bytes / step) * step
}

/** As native/cpu/attention_backward.cpp: dk and dv of every query head in float32, rows padded to whole vectors. */
function cpuScratch(
  operation: string,
  tensors: readonly (TensorShape | undefined)[],
  args: readonly unknown[],
): number {
  if (operation !== 'attention_backward') return 0
  const [tokens, cols] = tensors[1]!.shape as [number, number]
  const heads = args[10] as number
  const padded = Math.ceil(cols / heads / 16) * 16
  return 2 * cpuRounded(heads * tokens * padded * 4)
}

const numel = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1)

/** As native/cuda: a 4-bit weight is dequantized whole; operands of another dtype than the product's are converted. */
function cudaScratch(
  operation: string,
  tensors: readonly (TensorShape | undefined)[],
  args: readonly unknown[],
): number {
  const converted = (t: TensorShape, dtype: DType): number =>
    t.dtype === dtype ? 0 : numel(t.shape) * itemsize[dtype]
  const result = (out: TensorShape, dtype: DType): number =>
    out.dtype === 'float32' || out.dtype === dtype ? 0 : numel(out.shape) * 4
  if (operation === 'matmul') {
    const [a, b, out] = tensors as TensorShape[]
    const operand = args[7] as DType
    const dtype = operand !== 'float32' ? operand : a!.dtype === b!.dtype ? a!.dtype : 'float32'
    return converted(a!, dtype) + converted(b!, dtype) + result(out!, dtype)
  }
  if (operation === 'matmul_4bit') {
    const [x, out] = [tensors[0], tensors[7]]
    const [rows, cols, rounding, operand] = [args[8], args[9], args[15], args[16]] as [
      number,
      number,
      DType,
      DType,
    ]
    const stored = operand === 'float32' ? rounding : operand
    const dtype = operand !== 'float32' ? operand : x!.dtype === stored ? stored : 'float32'
    const weight = rows * cols * itemsize[stored]
    const again = stored === dtype ? 0 : rows * cols * itemsize[dtype]
    return weight + again + converted(x!, dtype) + result(out!, dtype)
  }
  if (operation === 'attention_backward') return attentionWorkspace(tensors as TensorShape[], args.slice(10))
  if (operation === 'cross_entropy') return tensors[0]!.shape[0]! * 32
  return 0
}
