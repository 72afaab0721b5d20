import { describe, expect, it } from 'vitest'
import type { TensorHandle } from '../../src/native/contract'
import {
  expectAbsolute,
  expectRelative,
  finiteDifferences,
  floatDTypes,
  native,
  normals,
  Output,
  rounded,
  running,
  tensor,
} from './harness'

const gradientTolerance = { float32: 2e-6, bfloat16: 3e-3, float16: 4e-4 }

interface Reference {
  stats: [number, number, number, number]
  dlogits: Float64Array
}

function reference(logits: Float64Array, labels: number[], scale: number): Reference {
  const vocab = logits.length / labels.length
  const dlogits = new Float64Array(logits.length)
  const stats: Reference['stats'] = [0, 0, 0, 0]
  for (const [i, label] of labels.entries()) {
    if (label === -100) continue
    const row = logits.subarray(i * vocab, (i + 1) * vocab)
    const max = row.reduce((m, v) => Math.max(m, v), -Infinity)
    const sum = row.reduce((s, v) => s + Math.exp(v - max), 0)
    const p = row.map((v) => Math.exp(v - max) / sum)
    stats[0] += Math.log(sum) + max - row[label]!
    stats[1] += 1
    stats[2] -= p.reduce((s, v) => s + (v > 0 ? v * Math.log(v) : 0), 0)
    stats[3] += row.indexOf(max) === label ? 1 : 0
    for (let j = 0; j < vocab; j++) dlogits[i * vocab + j] = (p[j]! - (j === label ? 1 : 0)) * scale
  }
  return { stats, dlogits }
}

/** Labels of which some are ignored and some are the row's own argmax. */
function labelsFor(logits: Float64Array, rows: number): number[] {
  const vocab = logits.length / rows
  return Array.from({ length: rows }, (_, i) => {
    if (i % 5 === 3) return -100
    if (i % 3 === 0) {
      const row = logits.subarray(i * vocab, (i + 1) * vocab)
      return row.indexOf(row.reduce((m, v) => Math.max(m, v)))
    }
    return (i * 7919) % vocab
  })
}

/** The loss without weights, outputs by row, or smoothing. */
function crossEntropy(
  logits: TensorHandle,
  labels: TensorHandle,
  stats: TensorHandle,
  dlogits: TensorHandle | undefined,
  scale: number,
): void {
  native.cross_entropy(logits, labels, undefined, stats, undefined, undefined, dlogits, scale, 0, false, 0)
}

const noStats = (): Output => new Output([4], 'float32', [0, 0, 0, 0])

describe.each(floatDTypes)('%s', (dtype) => {
  it.each([
    [1, 1],
    [1, 65],
    [63, 1025],
    [65, 3001],
    [4097, 9],
  ])('%i rows of %i', async (rows, vocab) => {
    const logits = rounded(
      normals(rows * vocab, rows).map((v) => 3 * v),
      dtype,
    )
    const labels = labelsFor(logits, rows)
    const [tl, ti] = [tensor(logits, [rows, vocab], dtype), tensor(labels, [rows], 'int32')]
    const want = reference(logits, labels, 0.25)
    const stats = noStats()
    const dlogits = new Output([rows, vocab], dtype)
    const inPlace = new Output([rows, vocab], dtype, logits)
    crossEntropy(tl, ti, stats.handle, dlogits.handle, 0.25)
    const [loss, counted, entropy, correct] = await stats.read()
    const perRow = (x: number): number => x / Math.max(1, want.stats[1])
    expectAbsolute([perRow(loss!), perRow(entropy!)], [perRow(want.stats[0]), perRow(want.stats[2])], 1e-5)
    expect([counted, correct]).toEqual([want.stats[1], want.stats[3]])
    expectRelative(await dlogits.read(), want.dlogits, gradientTolerance[dtype])
    crossEntropy(inPlace.handle, ti, stats.handle, inPlace.handle, 0.25)
    expect(await inPlace.read()).toEqual(await dlogits.read())
    expect((await stats.read())[1]).toBe(2 * want.stats[1]) // accumulates
  })
})

it('the gradient is that of the loss', async () => {
  const [rows, vocab] = [3, 7]
  const logits = rounded(normals(rows * vocab, 4), 'float32')
  const labels = [2, -100, 6]
  const dlogits = new Output([rows, vocab])
  crossEntropy(
    tensor(logits, [rows, vocab]),
    tensor(labels, [rows], 'int32'),
    noStats().handle,
    dlogits.handle,
    1,
  )
  expectRelative(
    await dlogits.read(),
    finiteDifferences((x) => reference(x, labels, 1).stats[0], logits),
    1e-6,
  )
})

it('the argmax among equal logits is the first', async () => {
  const logits = new Float64Array(2 * 2000).fill(-1)
  for (const at of [1500, 1700, 2000 + 3, 2000 + 1999]) logits[at] = 2
  const accuracy = async (labels: number[]): Promise<number> => {
    const stats = noStats()
    crossEntropy(tensor(logits, [2, 2000]), tensor(labels, [2], 'int32'), stats.handle, undefined, 1)
    return (await stats.read())[3]!
  }
  expect(await accuracy([1500, 3])).toBe(2)
  expect(await accuracy([1700, 3])).toBe(1)
  expect(await accuracy([1700, 1999])).toBe(0)
})

it('large and masked logits', async () => {
  const logits = [30000, 29999, -Infinity, -30000]
  const stats = noStats()
  const dlogits = new Output([1, 4])
  crossEntropy(tensor(logits, [1, 4]), tensor([1], [1], 'int32'), stats.handle, dlogits.handle, 1)
  const p = 1 / (1 + Math.exp(-1))
  const entropy = -(p * Math.log(p) + (1 - p) * Math.log(1 - p))
  expectAbsolute(await stats.read(), [1 - Math.log(p), 1, entropy, 0], 1e-6)
  expectAbsolute(await dlogits.read(), [p, -p, 0, 0], 1e-6)
})

it('a NaN is not hidden', async () => {
  const stats = noStats()
  const dlogits = new Output([1, 3])
  crossEntropy(tensor([1, NaN, 2], [1, 3]), tensor([0], [1], 'int32'), stats.handle, dlogits.handle, 1)
  expect((await stats.read())[0]).toBeNaN()
  expect((await dlogits.read())[2]).toBeNaN()
})

it('the same bits whatever the threads', async () => {
  const logits = tensor(normals(300 * 500, 5), [300, 500])
  const labels = tensor(
    Array.from({ length: 300 }, (_, i) => i),
    [300],
    'int32',
  )
  const run = async (threads: number): Promise<Float64Array> => {
    native.set_num_threads(native.open_device('cpu'), threads)
    const stats = noStats()
    crossEntropy(logits, labels, stats.handle, undefined, 1)
    return stats.read()
  }
  const one = await run(1)
  expect(await run(3)).toEqual(one)
  expect(await run(2)).toEqual(one)
})

it('a label outside the vocabulary is an error when it runs', async () => {
  const run = (label: number): TensorHandle => {
    const logits = tensor([1, 2, 3], [1, 3])
    crossEntropy(logits, tensor([label], [1], 'int32'), noStats().handle, undefined, 1)
    return logits
  }
  run(3)
  await expect(running()).rejects.toThrow('[cross_entropy] labels[0] is 3; expected -100 or 0 to 2')
  run(-1)
  await expect(running()).rejects.toThrow('[cross_entropy] labels[0] is -1')
})

it('checks arguments before anything runs', () => {
  const x = tensor(new Float64Array(6), [2, 3])
  const labels = tensor([0, 1], [2], 'int32')
  const stats = tensor([0, 0, 0, 0], [4])
  expect(() => crossEntropy(x, tensor([0], [1], 'int32'), stats, undefined, 1)).toThrow(
    '[cross_entropy] labels: expected shape (2), got (1)',
  )
  expect(() => crossEntropy(x, tensor([0, 1], [2]), stats, undefined, 1)).toThrow('labels: expected int32')
  expect(() => crossEntropy(x, labels, tensor([0], [1]), undefined, 1)).toThrow('stats: expected shape (4)')
  expect(() => crossEntropy(x, labels, stats, stats, 1)).toThrow('dlogits: expected shape (2, 3)')
  expect(() => crossEntropy(stats, labels, stats, undefined, 1)).toThrow('logits: expected 2 axes')
})

describe.each(floatDTypes)('weights, smoothing and outputs by row, %s', (dtype) => {
  it.each([
    [5, 63, 0, false],
    [65, 3001, 0.3, false],
    [7, 9, 1, false],
    [33, 1025, 0, true],
  ])('%i rows of %i, smoothing %d, by probability %s', async (rows, vocab, smoothing, byProbability) => {
    const logits = rounded(normals(rows * vocab, rows), dtype)
    const labels = labelsFor(logits, rows)
    const weights = Array.from({ length: rows }, (_, i) => (i % 4) - 1.5)
    const stats = noStats()
    const [logps, entropies] = [new Output([rows]), new Output([rows])]
    const dlogits = new Output([rows, vocab], dtype)
    native.cross_entropy(
      tensor(logits, [rows, vocab], dtype),
      tensor(labels, [rows], 'int32'),
      tensor(weights, [rows]),
      stats.handle,
      logps.handle,
      entropies.handle,
      dlogits.handle,
      0.25,
      smoothing,
      byProbability,
      0,
    )
    const want = labels.map((label, i) => {
      const zeros = { logp: 0, entropy: 0, loss: 0, gradient: new Float64Array(vocab) }
      if (label === -100) return zeros
      const row = logits.subarray(i * vocab, (i + 1) * vocab)
      const max = row.reduce((m, v) => Math.max(m, v), -Infinity)
      const lse = max + Math.log(row.reduce((s, v) => s + Math.exp(v - max), 0))
      const logp = row[label]! - lse
      const entropy = -row.reduce((s, v) => s + Math.exp(v - lse) * (v - lse), 0)
      const w = weights[i]! * (byProbability ? Math.exp(logp) : 1)
      const uniform = row.reduce((s, v) => s + lse - v, 0) / vocab
      const gradient = row.map(
        (v, j) => 0.25 * w * (Math.exp(v - lse) - (j === label ? 1 - smoothing : 0) - smoothing / vocab),
      )
      return { logp, entropy, loss: w * ((1 - smoothing) * -logp + smoothing * uniform), gradient }
    })
    expectAbsolute(
      await logps.read(),
      want.map((row) => row.logp),
      1e-5,
    )
    expectAbsolute(
      await entropies.read(),
      want.map((row) => row.entropy),
      1e-5,
    )
    expectRelative([(await stats.read())[0]!], [want.reduce((s, row) => s + row.loss, 0)], 1e-5)
    expectRelative(
      await dlogits.read(),
      want.flatMap((row) => Array.from(row.gradient)),
      gradientTolerance[dtype],
    )
  })
})

it('weights, outputs by row and smoothing are checked', () => {
  const x = tensor(new Float64Array(6), [2, 3])
  const labels = tensor([0, 1], [2], 'int32')
  const stats = tensor([0, 0, 0, 0], [4])
  const run =
    (weights?: TensorHandle, logps?: TensorHandle, entropies?: TensorHandle, smoothing = 0) =>
    () =>
      native.cross_entropy(x, labels, weights, stats, logps, entropies, undefined, 1, smoothing, false, 0)
  expect(run(tensor([1], [1]))).toThrow('[cross_entropy] weights: expected shape (2), got (1)')
  expect(run(undefined, labels)).toThrow('logps: expected float32')
  expect(run(undefined, undefined, stats)).toThrow('entropies: expected shape (2)')
  expect(run(undefined, undefined, undefined, 1.5)).toThrow('label_smoothing: expected 0 to 1')
  expect(run(undefined, undefined, undefined, NaN)).toThrow('label_smoothing: expected 0 to 1')
})
