import { describe, expect, it } from 'vitest'
import type { FloatDType } from '../../src/tensor/dtype'
import { goldenTensors } from '../parity/support'
import {
  cpu,
  expectRelative,
  floatDTypes,
  native,
  normals,
  Output,
  read,
  rounded,
  running,
  tensor,
} from './harness'

// Against bitsandbytes (test/parity/int8.py), and at odd sizes against the formula in double.

const golden = await goldenTensors('int8.safetensors')
const values = (name: string): ArrayLike<number> => golden.get(name)!.data
const [rows, cols, tokens] = [40, 48, 7]
const codes = (): ReturnType<typeof tensor> => tensor(values('codes'), [rows, cols], 'int8')
const maxima = (): ReturnType<typeof tensor> => tensor(values('maxima'), [rows])

it('codes and maxima have the bits of bitsandbytes', async () => {
  const [code, most] = [new Output([rows, cols], 'int8'), new Output([rows])]
  native.quantize_8bit(tensor(values('w'), [rows, cols]), code.handle, most.handle)
  expect([...(await code.read())]).toEqual(Array.from(values('codes')))
  expect([...(await most.read())]).toEqual(Array.from(values('maxima')))
})

it.each(floatDTypes)('dequantized to %s', async (dtype) => {
  const out = new Output([rows, cols], dtype)
  native.dequantize_8bit(codes(), maxima(), out.handle)
  const exact = Array.from(values('codes'), (code, i) =>
    Math.fround(code * Math.fround(Number(values('maxima')[Math.floor(i / cols)]) * Math.fround(1 / 127))),
  )
  expect(await out.read()).toEqual(rounded(exact, dtype))
})

const short = { float32: 'f32', bfloat16: 'bf16', float16: 'f16' } as const
// Sums of outliers in another order; a number that lies between two is then rounded the other way.
const close = { float32: 1e-6, bfloat16: 3e-3, float16: 4e-4 } as const

describe.each(floatDTypes)('%s', (dtype) => {
  const x = (): ReturnType<typeof tensor> => tensor(values('x'), [tokens, cols], dtype)
  // As a layer in this dtype has it.
  const bias = (): ReturnType<typeof tensor> => tensor(values('bias'), [rows], dtype)

  it('LLM.int8 without outliers has the bits of bitsandbytes', async () => {
    const y = new Output([tokens, rows], dtype)
    native.matmul_llm_int8(x(), codes(), maxima(), bias(), y.handle, 0, 0)
    expect([...(await y.read())]).toEqual(Array.from(values(`y0.${short[dtype]}`)))
  })

  it('LLM.int8 with outliers', async () => {
    const y = new Output([tokens, rows], dtype)
    native.matmul_llm_int8(x(), codes(), maxima(), bias(), y.handle, 6, 0)
    const wanted = values(`y.${short[dtype]}`)
    expectRelative(await y.read(), wanted, close[dtype])
    // The outliers are far from what 8 bits hold of them.
    expect(Array.from(values(`y0.${short[dtype]}`))).not.toEqual(Array.from(wanted))
  })

  it('is added to what is there', async () => {
    const [y, sum] = [
      new Output([tokens, rows], dtype),
      new Output([tokens, rows], dtype, normals(tokens * rows, 3)),
    ]
    const before = await sum.read()
    native.matmul_llm_int8(x(), codes(), maxima(), undefined, y.handle, 6, 0)
    native.matmul_llm_int8(x(), codes(), maxima(), undefined, sum.handle, 6, 1)
    const plain = await y.read()
    expect(await sum.read()).toEqual(
      rounded(
        Float64Array.from(plain, (v, i) => Math.fround(v + before[i]!)),
        dtype,
      ),
    )
  })

  it('the products of training, forward and backward', async () => {
    const y = new Output([tokens, rows], dtype)
    native.matmul_8bit(x(), codes(), maxima(), y.handle, true, 1, 0, dtype)
    native.add_bias(y.handle, bias(), y.handle)
    expectRelative(await y.read(), values(`y_train.${short[dtype]}`), 2 * close[dtype])
    const dx = new Output([tokens, cols], dtype)
    native.matmul_8bit(
      tensor(values('dy'), [tokens, rows], dtype),
      codes(),
      maxima(),
      dx.handle,
      false,
      1,
      0,
      dtype,
    )
    expectRelative(await dx.read(), values(`dx.${short[dtype]}`), close[dtype])
  })
})

/** LLM.int8 in double; no rounding but to float16 and to codes. */
function reference(x: ArrayLike<number>, w: Float64Array, k: number, threshold: number): Float64Array {
  const half = rounded(x, 'float16')
  const [m, n] = [x.length / k, w.length / k]
  const isOutlier = Array.from({ length: k }, (_, j) =>
    Array.from({ length: m }, (__, i) => Math.abs(half[i * k + j]!)).some(
      (v) => threshold > 0 && v >= threshold,
    ),
  )
  const out = new Float64Array(m * n)
  for (let i = 0; i < m; i++) {
    const row = half.subarray(i * k, i * k + k)
    const most = row.reduce(
      (a, v) => (threshold > 0 && Math.abs(v) >= threshold ? a : Math.max(a, Math.abs(v))),
      0,
    )
    for (let o = 0; o < n; o++)
      for (let j = 0; j < k; j++) {
        const code =
          isOutlier[j] || most === 0
            ? 0
            : even(Math.fround(row[j]! * Math.fround(Math.fround(1 / most) * 127)))
        out[i * n + o]! += w[o * k + j]! * (isOutlier[j] ? x[i * k + j]! : code * most * (127 * 6.200124e-5))
      }
  }
  return out
}
const even = (v: number): number => {
  const floor = Math.floor(v)
  const rest = v - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}

it.each<[number, number, number, number]>([
  [1, 1, 1, 0],
  [1, 65, 33, 2],
  [3, 129, 17, 2],
  [67, 31, 1, 0],
  [130, 257, 66, 3],
  [5, 1100, 9, 2.5],
])('%i rows of %i by %i, threshold %d', async (m, k, n, threshold) => {
  const [x, w] = [rounded(normals(m * k, 1), 'float32'), normals(n * k, 2)]
  const [code, most] = [new Output([n, k], 'int8'), new Output([n])]
  native.quantize_8bit(tensor(w, [n, k]), code.handle, most.handle)
  const whole = new Output([n, k])
  native.dequantize_8bit(code.handle, most.handle, whole.handle)
  const weight = await whole.read()
  expectRelative(weight, w, 0.012)
  const y = new Output([m, n])
  native.matmul_llm_int8(tensor(x, [m, k]), code.handle, most.handle, undefined, y.handle, threshold, 0)
  expectRelative(await y.read(), reference(x, weight, k, threshold), 3e-6)
  for (const [transpose, from, to] of [
    [true, k, n],
    [false, n, k],
  ] as const) {
    const input = normals(m * from, 4)
    const out = new Output([m, to])
    native.matmul_8bit(
      tensor(input, [m, from]),
      code.handle,
      most.handle,
      out.handle,
      transpose,
      0.5,
      0,
      'float32',
    )
    const product = Float64Array.from({ length: m * to }, (_, at) => {
      const [i, o] = [Math.floor(at / to), at % to]
      let sum = 0
      for (let j = 0; j < from; j++) sum += input[i * from + j]! * weight[transpose ? o * k + j : j * k + o]!
      return sum / 2
    })
    expectRelative(await out.read(), product, 2e-6)
  }
})

it('rows of zeros and of infinities have codes of 0', async () => {
  const [code, most] = [new Output([2, 3], 'int8'), new Output([2])]
  native.quantize_8bit(tensor([0, 0, 0, Infinity, Infinity, -Infinity], [2, 3]), code.handle, most.handle)
  expect([...(await code.read())]).toEqual([0, 0, 0, 0, 0, 0])
  expect([...(await most.read())]).toEqual([0, Infinity])
})

it('no rows, no columns, no weights', async () => {
  const empty = (shape: number[], dtype: 'int8' | FloatDType): ReturnType<typeof tensor> =>
    native.tensor_empty(cpu, dtype, shape)
  native.matmul_llm_int8(
    empty([0, 4], 'float32'),
    empty([3, 4], 'int8'),
    empty([3], 'float32'),
    undefined,
    empty([0, 3], 'float32'),
    6,
    0,
  )
  const y = new Output([2, 3])
  native.matmul_llm_int8(
    empty([2, 0], 'float32'),
    empty([3, 0], 'int8'),
    tensor([1, 1, 1], [3]),
    undefined,
    y.handle,
    6,
    0,
  )
  expect([...(await y.read())]).toEqual([0, 0, 0, 0, 0, 0])
  await running()
})

describe('arguments', () => {
  const f = (shape: number[]): ReturnType<typeof tensor> => native.tensor_empty(cpu, 'float32', shape)
  const i8 = (shape: number[]): ReturnType<typeof tensor> => native.tensor_empty(cpu, 'int8', shape)
  const u8 = (shape: number[]): ReturnType<typeof tensor> => native.tensor_empty(cpu, 'uint8', shape)
  it.each<[string, () => void, string]>([
    [
      'codes',
      () => native.quantize_8bit(f([2, 3]), u8([2, 3]), f([2])),
      '[quantize_8bit] codes: expected int8, got uint8',
    ],
    [
      'maxima',
      () => native.quantize_8bit(f([2, 3]), i8([2, 3]), f([3])),
      '[quantize_8bit] maxima: expected shape',
    ],
    [
      'out',
      () => native.dequantize_8bit(i8([2, 3]), f([2]), f([3, 2])),
      '[dequantize_8bit] out: expected shape',
    ],
    [
      'x',
      () => native.matmul_8bit(f([4, 2]), i8([2, 3]), f([2]), f([4, 2]), true, 1, 0, 'float32'),
      '[matmul_8bit] x: expected shape',
    ],
    [
      'operand',
      () => native.matmul_8bit(f([4, 3]), i8([2, 3]), f([2]), f([4, 2]), true, 1, 0, 'int8'),
      "operand_dtype: expected one of 'float32'",
    ],
    [
      'dtypes',
      () =>
        native.matmul_llm_int8(
          f([4, 3]),
          i8([2, 3]),
          f([2]),
          undefined,
          native.tensor_empty(cpu, 'float16', [4, 2]),
          6,
          0,
        ),
      'out: expected float32, got float16',
    ],
    [
      'threshold',
      () => native.matmul_llm_int8(f([4, 3]), i8([2, 3]), f([2]), undefined, f([4, 2]), -1, 0),
      'threshold: expected 0 or more, got -1',
    ],
    [
      'bias',
      () => native.matmul_llm_int8(f([4, 3]), i8([2, 3]), f([2]), f([3]), f([4, 2]), 6, 0),
      '[matmul_llm_int8] bias: expected shape',
    ],
  ])('%s', (_, call, message) => {
    expect(call).toThrow(message)
  })
})

it('int8 tensors are written, filled and read', async () => {
  const t = tensor([-128, -1, 127], [3], 'int8')
  expect([...(await read(t, 'int8'))]).toEqual([-128, -1, 127])
  native.fill(t, -7)
  expect([...(await read(t, 'int8'))]).toEqual([-7, -7, -7])
})
