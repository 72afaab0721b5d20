import { describe, expect, it } from 'vitest'
import { Linear } from '../../src/nn/linear'
import { languageModelLoss } from '../../src/nn/loss'
import { Parameter } from '../../src/nn/parameter'
import { Device } from '../../src/tensor/device'
import { Tensor } from '../../src/tensor/tensor'
import { liveBytes } from '../models/tiny'
import { context, distance, product, random, tensor, transposed } from './support'

const [T, width, vocab] = [600, 8, 37]
const hidden = random(T, width, 1)
const head = random(vocab, width, 2)
/** Two rows of three have a target: 400 of them, several chunks, the last one short. */
const rows = Array.from({ length: T }, (_, t) => t).filter((t) => t % 3 !== 1)
const labels = rows.map((t) => (7 * t) % vocab)

function targets(of: number[] = rows): { rows: Tensor; labels: Tensor } {
  return {
    rows: Tensor.from(Int32Array.from(of)),
    labels: Tensor.from(Int32Array.from(labels.slice(0, of.length))),
  }
}

/** Loss, entropy and hits of one row, and the gradient of its logits. */
function rowReference(
  t: number,
  label: number,
): { loss: number; entropy: number; hit: number; gradient: number[] } {
  const [logits] = product([hidden[t]!], head, true) as [number[]]
  const max = Math.max(...logits)
  const total = logits.reduce((s, v) => s + Math.exp(v - max), 0)
  const p = logits.map((v) => Math.exp(v - max) / total)
  return {
    loss: -Math.log(p[label]!),
    entropy: -p.reduce((s, v) => s + v * Math.log(v), 0),
    hit: Number(logits[label] === max),
    gradient: p.map((v, j) => v - Number(j === label)),
  }
}

describe('languageModelLoss', () => {
  it('sums over the targets of all chunks, with gradients for hidden states and a trained head', async () => {
    const linear = new Linear('lm_head', tensor(head))
    linear.trainedWeight = new Parameter('w', linear.weight)
    const scale = 0.01
    const { stats, dhidden } = languageModelLoss(tensor(hidden), targets(), { lm_head: linear }, context(T), {
      gradScale: scale,
    })
    const each = rows.map((t, i) => rowReference(t, labels[i]!))
    const total = (key: 'loss' | 'entropy' | 'hit'): number => each.reduce((s, row) => s + row[key], 0)
    const [loss, count, entropy, hits] = await stats.data()
    expect(Math.abs(loss! / total('loss') - 1)).toBeLessThanOrEqual(1e-6)
    expect(Math.abs(entropy! / total('entropy') - 1)).toBeLessThanOrEqual(1e-6)
    expect([count, hits]).toEqual([400, total('hit')])
    const dlogits = each.map((row) => row.gradient.map((v) => v * scale))
    const expected = hidden.map(() => Array<number>(width).fill(0))
    product(dlogits, head).forEach((row, i) => (expected[rows[i]!] = row))
    expect(await distance(dhidden!, expected)).toBeLessThanOrEqual(1e-7)
    const dhead = product(
      transposed(dlogits),
      rows.map((t) => hidden[t]!),
    )
    expect(await distance(linear.trainedWeight.grad!, dhead)).toBeLessThanOrEqual(1e-5)
  })

  it('is the same sum without gradients, which are then not made', async () => {
    const run = (withGradient: boolean): ReturnType<typeof languageModelLoss> =>
      languageModelLoss(
        tensor(hidden),
        targets(),
        { lm_head: new Linear('lm_head', tensor(head)) },
        context(T),
        withGradient ? { gradScale: 1 } : {},
      )
    const [forward, both] = [run(false), run(true)]
    expect(forward.dhidden).toBeUndefined()
    expect(await forward.stats.data()).toEqual(await both.stats.data())
  })

  it('holds the logits of one chunk, not of all rows', async () => {
    const wide = 4096
    const linear = new Linear(
      'lm_head',
      Tensor.from(new Float32Array(wide * width), { shape: [wide, width] }),
    )
    const ctx = context(T)
    const [x, some] = [tensor(hidden), targets()]
    const device = Device.get('cpu')
    const before = await liveBytes()
    device.resetPeakMemory()
    await languageModelLoss(x, some, { lm_head: linear }, ctx, { gradScale: 1 }).stats.data()
    expect(device.memoryStats().peak - before).toBeLessThan(0.5 * rows.length * wide * 4)
    linear.dispose()
  })
})
