import { describe, expect, it } from 'vitest'
import { cpuMachine, cudaMachine } from '../../src/memory/machine'
import { Planner, type MemoryWish } from '../../src/memory/planner'
import { addon } from '../../src/native/addon'
import type { DescribedTensor } from '../../src/native/contract'
import type { DType } from '../../src/tensor/dtype'
import { step8B } from './step-8b'

const [MiB, GiB] = [2 ** 20, 2 ** 30]
const native = addon()
const like = (dtype: DType, ...shape: number[]): DescribedTensor => ({ dtype, shape })

describe("an operation's own memory on a GPU", () => {
  /** Of attention_backward for an 8B's heads. */
  function workspace(
    [tokens, sequences, longest]: [number, number, number],
    { deterministic = false, dtype = 'bfloat16' as DType, softcap = 0 } = {},
  ): number {
    const [q, k] = [like(dtype, tokens, 4096), like(dtype, tokens, 1024)]
    const [lse, cu] = [like('float32', 32, tokens), like('int32', sequences + 1)]
    const args = [q, q, k, k, q, lse, cu, q, k, k, 32, 8, 0.1, 0, softcap, longest, deterministic] as const
    return native.scratch_bytes('cuda', 'attention_backward', [...args])
  }
  const lse = (tokens: number): number => tokens * 32 * 4

  it.each<[string, number, number]>([
    ['rows of one length', workspace([4096, 2, 2048]), 128 * MiB + lse(4096)],
    ['one row: its lse is used in place', workspace([8192, 1, 8192]), 256 * MiB],
    ['rows of different lengths', workspace([1600, 4, 512]), 96 * MiB + lse(1600)],
    ['the same, their lengths unknown', workspace([1600, 4, 0]), 96 * MiB + lse(1600)],
    [
      'own kernels, where rows of different lengths would need over 1 GiB',
      workspace([32760, 9, 8192]),
      lse(32760),
    ],
    ['deterministic', workspace([4096, 2, 2048], { deterministic: true }), (128 + 16) * MiB + lse(4096)],
    [
      'own kernels, where it would be over 1 GiB',
      workspace([32768, 1, 32768], { deterministic: true }),
      lse(32768),
    ],
    ['own kernels where scores are capped', workspace([4096, 2, 2048], { softcap: 50 }), lse(4096)],
    ['own kernels for float32', workspace([4096, 2, 2048], { dtype: 'float32' }), lse(4096)],
  ])('attention_backward, %s', (_, bytes, expected) => {
    expect(bytes).toBe(expected)
  })

  it.each<[DType, DType, DType, string, number]>([
    ['bfloat16', 'bfloat16', 'bfloat16', 'bfloat16', 0],
    ['bfloat16', 'bfloat16', 'float32', 'bfloat16', 0],
    ['bfloat16', 'bfloat16', 'float32', 'float32', 0], // operands of one dtype stay
    ['float32', 'bfloat16', 'float32', 'bfloat16', 30 * 2],
    ['float32', 'bfloat16', 'float32', 'float32', 35 * 4],
    ['float32', 'float32', 'bfloat16', 'float16', (30 + 35) * 2 + 42 * 4], // through a float32 sum
  ])('matmul of %s and %s into %s as %s', (a, b, out, operands, bytes) => {
    const args = [like(a, 6, 5), like(b, 5, 7), like(out, 6, 7), false, false, 1, 0, operands] as const
    expect(native.scratch_bytes('cuda', 'matmul', [...args])).toBe(bytes)
  })

  it.each<[DType, DType, string, string, number]>([
    ['bfloat16', 'bfloat16', 'bfloat16', 'bfloat16', 2 * 512],
    ['bfloat16', 'bfloat16', 'float32', 'bfloat16', 2 * 512],
    ['float32', 'float32', 'bfloat16', 'bfloat16', 2 * 512 + 2 * 48],
    ['float32', 'float32', 'bfloat16', 'float32', 2 * 512 + 4 * 512],
    ['bfloat16', 'bfloat16', 'bfloat16', 'float32', 2 * 512],
    ['float32', 'bfloat16', 'bfloat16', 'float32', 2 * 512 + 4 * 512 + 4 * 96],
  ])('matmul_4bit of %s into %s, weights as %s, operands as %s', (x, out, weight, operands, bytes) => {
    const maxima = [like('float32', 8)] as const
    const tensors = [like(x, 3, 16), like('uint8', 256), maxima, like(out, 3, 32)] as const
    const args = [...tensors, 32, 16, 'nf4', 64, true, 1, 0, weight, operands] as const
    expect(native.scratch_bytes('cuda', 'matmul_4bit', [...args])).toBe(bytes)
  })

  it('cross_entropy: four doubles a row, however many columns', () => {
    const logits = like('bfloat16', 100, 32000)
    const inputs = [logits, like('int32', 100), undefined, like('float32', 4)] as const
    const args = [...inputs, undefined, undefined, logits, 1, 0, false, 0] as const
    expect(native.scratch_bytes('cuda', 'cross_entropy', [...args])).toBe(3200)
  })

  it('none of what keeps nothing', () => {
    expect(native.scratch_bytes('cuda', 'fill', [like('float32', 10), 0])).toBe(0)
  })
})

it('the CPU: attention_backward has dk and dv of each query head in float32', () => {
  const [q, k, cu] = [like('bfloat16', 100, 4 * 20), like('bfloat16', 100, 2 * 20), like('int32', 2)]
  const tensors = [q, q, k, k, q, like('float32', 4, 100), cu, q, k, k] as const
  // 20 columns in 32, 51200 bytes.
  expect(native.scratch_bytes('cpu', 'attention_backward', [...tensors, 4, 2, 1, 0, 0, 0, true])).toBe(
    2 * 51200,
  )
  const x = like('float32', 4, 4)
  expect(native.scratch_bytes('cpu', 'matmul', [x, x, x, false, false, 1, 0, 'bfloat16'])).toBe(0)
})

it.each([
  ['cpu', 'device', 1, 64],
  ['cpu', 'device', 65536, 65536],
  ['cpu', 'device', 65537, 69632],
  ['cpu', 'host', 0, 0],
  ['cuda', 'device', 100, 100],
  ['cuda', 'host', 100, 512],
  ['cuda', 'host', 513, 1024],
] as const)('%s, %s memory: %i bytes take %i', (backend, place, asked, taken) => {
  expect(native.allocation_bytes(backend, place, asked)).toBe(taken)
})

it('a question that cannot be answered is refused by name', () => {
  expect(() => native.scratch_bytes('tpu' as 'cpu', 'fill', [like('float32', 1), 0])).toThrow(
    "[scratch_bytes] backend: expected 'cpu' or 'cuda', got 'tpu'",
  )
  expect(() => native.scratch_bytes('cpu', 'fly' as 'fill', [like('float32', 1), 0])).toThrow(
    "[scratch_bytes] operation: no 'fly' in the list of operations",
  )
  expect(() => native.scratch_bytes('cuda', 'matmul', [] as never)).toThrow(
    '[matmul] expected 8 arguments, got 0',
  )
  expect(() => native.scratch_bytes('cuda', 'matmul', [1, 2, 3, 4, 5, 6, 7, 8] as never)).toThrow(
    '[matmul] argument 0: expected { dtype, shape }',
  )
  expect(() => native.allocation_bytes('cpu', 'disk' as 'host', 1)).toThrow(
    "[allocation_bytes] place: expected 'device' or 'host', got 'disk'",
  )
})

/** What docs/benchmarks/h100/steps.jsonl recorded on an H100: peak of the tensors, and milliseconds of a step. */
describe('recorded on an H100', () => {
  const recorded: [MemoryWish, [number, number], Parameters<typeof step8B>[2], number, number][] = [
    ['fast', [4096, 2], 'adamw_torch', 18.09, 274.8],
    [7086696038, [4096, 2], 'paged_adamw_8bit', 6.53, 323.8],
    [9663676416, [32768, 1], 'paged_adamw_8bit', 8.9, 4046.1],
  ]

  it.each(recorded)('%s, %j, %s', (wish, [tokens, sequences], optim, peak, milliseconds) => {
    const planner = new Planner(step8B(tokens, sequences, optim), cudaMachine(78 * GiB, 200 * GiB))
    const planned = planner.choose(wish, false)
    // What is predicted for the GPU may be replanned within the wish since it was recorded.
    expect(Math.abs(planned.peaks.device / GiB / peak - 1)).toBeLessThan(0.01)
    expect(Math.abs((planned.seconds * 1000) / milliseconds - 1)).toBeLessThan(0.1)
  })
})

it('a machine asks its backend', () => {
  const machines = [cpuMachine(1), cudaMachine(1, 1)]
  expect(machines.map(({ sizes }) => sizes.allocation('device', 1_000_001))).toEqual([1_015_808, 1_000_001])
})
