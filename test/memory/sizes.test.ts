import { describe, expect, it } from 'vitest'
import { Sizes } from '../../src/memory/sizes'
import { addon } from '../../src/native/addon'

const native = addon()
const like = (dtype: string, ...shape: number[]): { dtype: string; shape: number[] } => ({ dtype, shape })
const product = (dtype: string, rows: number) =>
  [
    like(dtype, rows, 8),
    like('float32', 8, 16),
    like('float32', rows, 16),
    false,
    false,
    1,
    0,
    'bfloat16',
  ] as const

/** Sizes whose questions to the addon are counted. */
function counted(backend: 'cpu' | 'cuda'): { sizes: Sizes; asked: string[] } {
  const asked: string[] = []
  const sizes = new Sizes(backend, {
    scratch_operations: (of) => native.scratch_operations(of),
    scratch_bytes: (of, name, args) => {
      asked.push(name)
      return native.scratch_bytes(of, name, args)
    },
    allocation_bytes: (of, place, bytes) => {
      asked.push(`${place} ${bytes}`)
      return native.allocation_bytes(of, place, bytes)
    },
  })
  return { sizes, asked }
}

describe('Sizes', () => {
  it('are those of the addon, and each is asked for once', () => {
    const { sizes, asked } = counted('cuda')
    for (const [dtype, rows] of [
      ['float32', 4],
      ['bfloat16', 4],
      ['float32', 6],
      ['float32', 4],
    ] as const) {
      const args = [...product(dtype, rows)] as never
      expect(sizes.scratch('matmul', args)).toBe(native.scratch_bytes('cuda', 'matmul', args))
    }
    expect(asked).toEqual(['matmul', 'matmul', 'matmul'])
    expect([sizes.allocation('host', 513), sizes.allocation('host', 513)]).toEqual([1024, 1024])
    expect(sizes.allocation('device', 513)).toBe(513)
    expect(asked.slice(3)).toEqual(['host 513', 'device 513'])
  })

  it('tell maxima apart that are nested from those that are not', () => {
    const { sizes } = counted('cuda')
    const args = (maxima: object) =>
      [
        ...[like('float32', 4, 64), like('uint8', 512), maxima, like('float32', 4, 16), 16, 64, 'nf4', 64],
        ...[true, 1, 0, 'float32', 'bfloat16'],
      ] as never
    const nested = [like('uint8', 16), like('float32', 256), like('float32', 1), like('float32', 1), 256]
    for (const maxima of [[like('float32', 16)], nested])
      expect(sizes.scratch('matmul_4bit', args(maxima))).toBe(
        native.scratch_bytes('cuda', 'matmul_4bit', args(maxima)),
      )
  })

  it('do not ask for an operation that takes nothing', () => {
    const { sizes, asked } = counted('cpu')
    expect(sizes.scratch('matmul', [...product('float32', 4)] as never)).toBe(0)
    expect(asked).toEqual([])
  })
})

describe('scratch_operations', () => {
  it.each([
    ['cpu', ['attention_backward']],
    [
      'cuda',
      ['attention_backward', 'cross_entropy', 'matmul', 'matmul_4bit', 'matmul_8bit', 'matmul_llm_int8'],
    ],
  ] as const)('%s', (backend, names) => {
    expect(native.scratch_operations(backend).sort()).toEqual(names)
  })
})
