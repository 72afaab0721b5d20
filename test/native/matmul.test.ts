import { afterAll, describe, expect, it } from 'vitest'
import type { FloatDType } from '../../src/tensor/dtype'
import { cpu, expectRelative, floatDTypes, native, normals, Output, rounded, tensor } from './harness'

interface Case {
  m: number
  n: number
  k: number
  ta?: boolean
  tb?: boolean
  alpha?: number
  beta?: number
  a?: FloatDType
  b?: FloatDType
  out?: FloatDType
  operands?: FloatDType
}

/** op(a)[i, l] of a matrix stored [m, k], or [k, m] when transposed. */
function element(values: Float64Array, transposed: boolean, rows: number, cols: number) {
  return transposed
    ? (i: number, l: number): number => values[l * rows + i]!
    : (i: number, l: number): number => values[i * cols + l]!
}

function reference(c: Required<Case>, a: Float64Array, b: Float64Array, before: Float64Array): Float64Array {
  const [x, y] = [element(a, c.ta, c.m, c.k), element(b, c.tb, c.k, c.n)]
  const out = new Float64Array(c.m * c.n)
  for (let i = 0; i < c.m; i++) {
    for (let l = 0; l < c.k; l++) {
      const factor = c.alpha * x(i, l)
      for (let j = 0; j < c.n; j++) out[i * c.n + j]! += factor * y(l, j)
    }
  }
  return c.beta === 0 ? out : out.map((v, i) => v + c.beta * before[i]!)
}

/** Output rounding; sums are in float32. */
const tolerance: Record<FloatDType, number> = { float32: 2e-6, bfloat16: 2.2e-3, float16: 4e-4 }

function complete(given: Case): Required<Case> {
  const { a = 'float32', b = a, out = a, operands = 'float32' } = given
  return { ta: false, tb: false, alpha: 1, beta: 0, ...given, a, b, out, operands }
}

function inputs(c: Required<Case>): { a: Float64Array; b: Float64Array; before: Float64Array } {
  return {
    a: rounded(normals(c.m * c.k, 1), c.a),
    b: rounded(normals(c.k * c.n, 2), c.b),
    before: rounded(normals(c.m * c.n, 3), c.out),
  }
}

function run(c: Required<Case>, a: Float64Array, b: Float64Array, before: Float64Array): Output {
  const out = new Output([c.m, c.n], c.out, c.beta === 0 ? undefined : before)
  const [ta, tb] = [
    tensor(a, c.ta ? [c.k, c.m] : [c.m, c.k], c.a),
    tensor(b, c.tb ? [c.n, c.k] : [c.k, c.n], c.b),
  ]
  native.matmul(ta, tb, out.handle, c.ta, c.tb, c.alpha, c.beta, c.operands)
  return out
}

async function check(given: Case): Promise<void> {
  const c = complete(given)
  const { a, b, before } = inputs(c)
  const out = await run(c, a, b, before).read()
  expectRelative(out, reference(c, rounded(a, c.operands), rounded(b, c.operands), before), tolerance[c.out])
}

const flags = [false, true]
const sizes = [1, 2, 5, 7, 8, 17, 48, 63, 65, 129]

describe('matmul, float32', () => {
  describe.each(flags)('transpose_a %s', (ta) => {
    it.each(flags)('transpose_b %s: every combination of odd sizes, beta 0 and 1', async (tb) => {
      for (const m of sizes) {
        for (const n of sizes) {
          for (const k of [1, 3, 16, 65]) await check({ m, n, k, ta, tb, beta: (m + n + k) % 2 })
        }
      }
    })
  })

  it.each([
    { m: 4097, n: 33, k: 20 },
    { m: 4097, n: 3, k: 65, tb: true, beta: 1 },
    { m: 3, n: 4097, k: 65, tb: true },
    { m: 65, n: 4097, k: 33 },
    { m: 4097, n: 9, k: 63, ta: true, beta: -0.5 },
    { m: 16, n: 65, k: 4097, ta: true },
    { m: 65, n: 16, k: 4097, ta: true, beta: 1 },
    { m: 1, n: 65, k: 4097, tb: true },
    { m: 5, n: 7, k: 2049, tb: true, alpha: 2 },
    { m: 130, n: 50, k: 1537 },
    { m: 130, n: 800, k: 700, tb: true, alpha: -0.25, beta: 2 },
    { m: 270, n: 400, k: 1400, ta: true, tb: true },
  ])('large: %o', async (c) => await check(c))

  it('k = 0 leaves beta * out', async () => {
    await check({ m: 5, n: 7, k: 0, beta: 0.5 })
    await check({ m: 5, n: 7, k: 0 })
  })

  it('no rows, no columns: nothing to do', async () => {
    await check({ m: 0, n: 7, k: 3 })
    await check({ m: 7, n: 0, k: 3 })
  })
})

describe('matmul, dtypes', () => {
  const shapes = [
    { m: 3, n: 65, k: 63, tb: true },
    { m: 65, n: 63, k: 129, tb: true },
    { m: 65, n: 63, k: 130 },
    { m: 65, n: 16, k: 131, ta: true },
    { m: 16, n: 63, k: 200, ta: true, tb: true },
    { m: 140, n: 70, k: 1200 },
  ]
  describe.each(floatDTypes)('operands rounded to %s', (operands) => {
    it.each(floatDTypes)('a %s, with every b and out', async (a) => {
      for (const b of floatDTypes) {
        for (const out of floatDTypes) {
          const shape = shapes[(floatDTypes.indexOf(b) * 3 + floatDTypes.indexOf(out)) % shapes.length]!
          await check({ ...shape, a, b, out, operands, beta: out === 'bfloat16' ? 1 : 0 })
        }
      }
    })

    it.each(shapes)('%o', async (shape) => {
      await check({ ...shape, a: 'float32', out: 'float32', operands })
      await check({ ...shape, a: operands, out: operands, operands, alpha: 0.5, beta: 1 })
    })
  })

  it('an infinity stays in its row, past an odd k', async () => {
    const c = complete({ m: 20, n: 20, k: 33, tb: true, a: 'bfloat16', operands: 'bfloat16' })
    const { a, b, before } = inputs(c)
    a[33] = Infinity // the element after row 0's last: paired with it, were rows not padded
    const out = await run(c, a, b, before).read()
    expect(out.slice(0, 20).every(Number.isFinite)).toBe(true)
    expect(out.slice(20, 40).some(Number.isFinite)).toBe(false)
    expect(out.slice(40).every(Number.isFinite)).toBe(true)
  })
})

describe('matmul, threads', () => {
  afterAll(() => native.set_num_threads(cpu, 2))

  it.each([
    { m: 260, n: 1000, k: 700, tb: true },
    { m: 100, n: 1200, k: 700, a: 'bfloat16' as const, operands: 'bfloat16' as const },
    { m: 3, n: 3000, k: 700, tb: true },
    { m: 1500, n: 16, k: 1000, ta: true },
  ])('the same bits with 1, 2 and 5 threads: %o', async (given) => {
    const c = complete(given)
    const { a, b, before } = inputs(c)
    const results: Float64Array[] = []
    for (const threads of [1, 2, 5]) {
      native.set_num_threads(cpu, threads)
      results.push(await run(c, a, b, before).read())
    }
    expect(results[1]).toEqual(results[0])
    expect(results[2]).toEqual(results[0])
  })
})

describe('matmul, refused arguments', () => {
  const zeros = (shape: number[], dtype: FloatDType = 'float32') =>
    tensor(new Float64Array(shape.reduce((x, y) => x * y, 1)), shape, dtype)
  const call =
    (a: number[], b: number[], out: number[], ta = false, tb = false, operands = 'float32') =>
    (): void =>
      native.matmul(zeros(a), zeros(b), zeros(out), ta, tb, 1, 0, operands)

  it('names the operation, the argument and the shapes', () => {
    expect(call([2, 3], [4, 5], [2, 5])).toThrow(
      '[matmul] a (2, 3) and b (4, 5) do not fit: 3 columns against 4 rows',
    )
    expect(call([3, 2], [5, 4], [2, 5], true, true)).toThrow(
      '[matmul] a (3, 2) transposed and b (5, 4) transposed do not fit: 3 columns against 4 rows',
    )
    expect(call([2, 3], [3, 5], [5, 2])).toThrow('[matmul] out: expected shape (2, 5), got (5, 2)')
    expect(call([6], [3, 5], [2, 5])).toThrow('[matmul] a: expected 2 axes, got shape (6)')
    expect(call([2, 3], [3, 5], [2, 5], false, false, 'float64')).toThrow(
      "[matmul] operand_dtype: expected one of 'float32', 'bfloat16', 'float16', got 'float64'",
    )
    const bytes = tensor([1, 2, 3, 4], [2, 2], 'uint8')
    expect(() => native.matmul(bytes, zeros([2, 2]), zeros([2, 2]), false, false, 1, 0, 'float32')).toThrow(
      '[matmul] a: expected a float dtype, got uint8',
    )
  })

  it('an output that overlaps an operand', () => {
    const whole = zeros([6, 4])
    const [upper, lower, middle] = [0, 32, 16].map((offset) =>
      native.tensor_view(whole, 'float32', [2, 4], offset),
    )
    const square = zeros([4, 4])
    expect(() => native.matmul(upper!, square, middle!, false, false, 1, 0, 'float32')).toThrow(
      '[matmul] out: expected memory apart from a',
    )
    expect(() => native.matmul(upper!, square, lower!, false, false, 1, 0, 'float32')).not.toThrow()
  })
})
