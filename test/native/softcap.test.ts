import { expect, it } from 'vitest'
import {
  expectRelative,
  finiteDifferences,
  floatDTypes,
  native,
  normals,
  Output,
  rounded,
  tensor,
} from './harness'

const tolerance = { float32: 1e-6, bfloat16: 2.5e-3, float16: 4e-4 }

it.each(floatDTypes)('%s: cap * tanh(x / cap), also in place', async (dtype) => {
  const n = 4097
  const x = rounded(
    normals(n, 1).map((v) => 20 * v),
    dtype,
  )
  const [out, inPlace] = [new Output([n], dtype), new Output([n], dtype, x)]
  native.softcap(tensor(x, [n], dtype), out.handle, 30)
  native.softcap(inPlace.handle, inPlace.handle, 30)
  expectRelative(
    await out.read(),
    x.map((v) => 30 * Math.tanh(v / 30)),
    tolerance[dtype],
  )
  expect(await inPlace.read()).toEqual(await out.read())
})

it('is exact to 4e-7 of each value, saturates, and keeps NaN', async () => {
  const x = rounded(
    Array.from({ length: 20_001 }, (_, k) => -10 + k * 0.001),
    'float32',
  )
  const out = new Output([x.length])
  native.softcap(tensor(x, [x.length]), out.handle, 1)
  const got = await out.read()
  for (const [k, v] of x.entries())
    if (!(Math.abs(got[k]! - Math.tanh(v)) <= 4e-7 * Math.abs(Math.tanh(v))))
      expect.fail(`tanh(${v}) is ${got[k]}`)
  const edges = new Output([4])
  native.softcap(tensor([-Infinity, 1e30, 0, NaN], [4]), edges.handle, 50)
  expect([...(await edges.read())]).toEqual([-50, 50, 0, NaN])
})

it('cross_entropy derives through it', async () => {
  const [rows, vocab, cap] = [3, 7, 2]
  const raw = rounded(
    normals(rows * vocab, 3).map((v) => 3 * v),
    'float32',
  )
  const labels = [2, -100, 6]
  const capped = new Output([rows, vocab])
  native.softcap(tensor(raw, [rows, vocab]), capped.handle, cap)
  const stats = tensor([0, 0, 0, 0], [4])
  const ids = tensor(labels, [rows], 'int32')
  native.cross_entropy(
    capped.handle,
    ids,
    undefined,
    stats,
    undefined,
    undefined,
    capped.handle,
    0.5,
    0.1,
    false,
    cap,
  )
  const loss = (x: Float64Array): number =>
    labels.reduce((sum, label, i) => {
      if (label < 0) return sum
      const row = Array.from(x.subarray(i * vocab, (i + 1) * vocab), (v) => cap * Math.tanh(v / cap))
      const logSum = Math.log(row.reduce((s, v) => s + Math.exp(v), 0))
      const mean = row.reduce((s, v) => s + (logSum - v) / vocab, 0)
      return sum + 0.5 * (0.9 * (logSum - row[label]!) + 0.1 * mean)
    }, 0)
  expectRelative(await capped.read(), finiteDifferences(loss, raw), 1e-6)
})

it('checks arguments before anything runs', () => {
  const x = tensor([1, 2], [2])
  expect(() => native.softcap(x, tensor([1], [1]), 1)).toThrow('[softcap] out: expected shape (2), got (1)')
  expect(() => native.softcap(x, x, 0)).toThrow('[softcap] cap: expected a positive, finite number')
  const [logits, labels, stats] = [
    tensor([1, 2], [1, 2]),
    tensor([0], [1], 'int32'),
    tensor([0, 0, 0, 0], [4]),
  ]
  expect(() =>
    native.cross_entropy(logits, labels, undefined, stats, undefined, undefined, undefined, 1, 0, false, -1),
  ).toThrow('[cross_entropy] softcap: expected 0 (none)')
})
