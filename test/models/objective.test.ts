import { describe, expect, it } from 'vitest'
import type { LossFunction, Objective, ObjectiveBatch, ObjectiveResult } from '../../src/models/objective'
import { runPass } from '../../src/models/pass'
import { AdamW } from '../../src/optim/adamw'
import { trainStep } from '../../src/trainer/train-step'
import { randomBatch, randomInputs, takeGradients, tinyPeft } from './tiny'

const lengths = [11, 24, 7, 16]
const batch = randomBatch(lengths)

const meanNll: LossFunction = (logps, { num_items_in_batch: n }) => ({
  loss: -logps.reduce((sum, logp) => sum + logp, 0) / n,
  dlogps: logps.map(() => -1 / n),
})

type Gradients = Record<string, Float32Array>
function worst(a: Gradients, b: Gradients): number {
  const each = Object.entries(a).flatMap(([name, values]) =>
    Array.from(values, (v, i) => Math.abs(v - b[name]![i]!)),
  )
  return each.reduce((m, d) => (m >= d ? m : d), 0)
}

describe('a loss on the host', () => {
  it('is the built-in one when it says the same, in loss and gradients', async () => {
    const model = await tinyPeft({ lora_dropout: 0.1 }, 'tiny-llama-nf4')
    const built = await model.forward_backward(batch)
    const want = await takeGradients(model.parameters())
    const seen: ObjectiveBatch[] = []
    const own = await model.forward_backward(batch, {
      objective: {
        entropies: true,
        loss: async (logps, given) => {
          seen.push(given)
          return meanNll(logps, given)
        },
      },
    })
    expect(Math.abs(own.loss - built.loss)).toBeLessThanOrEqual(1e-6)
    expect(own.num_items).toBe(built.num_items)
    expect(worst(want, await takeGradients(model.parameters()))).toBeLessThanOrEqual(1e-6)
    const [{ labels, positions, tokens, cu_seqlens, entropies }] = seen as [Required<ObjectiveBatch>]
    expect(Array.from(cu_seqlens)).toEqual([0, 10, 33, 39, 54])
    expect(Array.from(positions.slice(0, 12))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1, 2])
    expect(Array.from(tokens, (t) => batch.input_ids[t])).toEqual(Array.from(labels))
    const { entropySum } = await runPass(model.base_model, batch, { backward: false })
    expect(Math.abs(entropies.reduce((a, b) => a + b) / entropySum - 1)).toBeLessThanOrEqual(1e-5)
  })

  it('over sequences, as DPO, has the gradient of finite differences', async () => {
    const model = await tinyPeft()
    const reference = [-50, -120, -30, -80]
    const dpo: LossFunction = (logps, { cu_seqlens: at }) => {
      const sums = reference.map((r, s) => logps.subarray(at[s]!, at[s + 1]!).reduce((a, b) => a + b, 0) - r)
      const dlogps = new Float32Array(logps.length)
      let loss = 0
      for (const s of [0, 2]) {
        const margin = 0.1 * (sums[s]! - sums[s + 1]!)
        loss += Math.log1p(Math.exp(-margin)) / 2
        const d = -0.05 / (1 + Math.exp(margin))
        dlogps.fill(d, at[s]!, at[s + 1]!)
        dlogps.fill(-d, at[s + 1]!, at[s + 2]!)
      }
      return { loss, dlogps }
    }
    const lossNow = async (): Promise<number> =>
      (await runPass(model.base_model, batch, { objective: dpo, backward: false, numItems: 1 })).lossSum
    await model.forward_backward(batch, { objective: dpo })
    const parameters = model.parameters()
    const gradients = await takeGradients(parameters)
    for (const parameter of [parameters[0]!, parameters[9]!, parameters.at(-1)!]) {
      const gradient = gradients[parameter.name]!
      const values = await parameter.data.data()
      const size = Math.sqrt(gradient.reduce((s, g) => s + g * g, 0))
      const moved = async (by: number): Promise<number> => {
        parameter.data.write(new Uint8Array(values.map((v, i) => v + (by * gradient[i]!) / size).buffer))
        return lossNow()
      }
      const h = 1e-2
      const slope = ((await moved(h)) - (await moved(-h))) / (2 * h)
      await moved(0)
      expect(Math.abs(slope / size - 1)).toBeLessThanOrEqual(1e-2)
    }
  })

  it.each<[string, unknown, string]>([
    ['nothing', undefined, '[objective] returned undefined; expected { loss, dlogps }'],
    ['no number', { loss: '1', dlogps: [] }, '[objective] loss: got string; expected a number'],
    ['NaN', { loss: NaN, dlogps: [] }, '[objective] loss is NaN'],
    ['no derivative', { loss: 1 }, '[objective] dlogps: got undefined; expected an array of 54 numbers'],
    ['too few', { loss: 1, dlogps: [1] }, '[objective] dlogps has 1 entries; expected 54, one a target'],
    ['infinity', { loss: 1, dlogps: Array(54).fill(Infinity) }, '[objective] dlogps[0] is Infinity'],
    ['a typing error', { loss: 1, dlogp: [] }, "unknown result 'dlogp'. Did you mean 'dlogps'?"],
  ])('that returns %s is told', async (_, result, message) => {
    const model = await tinyPeft()
    const objective = (): ObjectiveResult => result as ObjectiveResult
    await expect(model.forward_backward(batch, { objective })).rejects.toThrow(message)
  })
})

it('weights of tokens count as the same loss on the host', async () => {
  const model = await tinyPeft()
  const weight = ({ labels }: ObjectiveBatch): Float32Array => Float32Array.from(labels, (id) => id % 3)
  const own: LossFunction = (logps, given) => {
    const w = weight(given)
    const n = given.num_items_in_batch
    return { loss: -logps.reduce((s, p, i) => s + w[i]! * p, 0) / n, dlogps: w.map((x) => -x / n) }
  }
  const results = []
  for (const objective of [{ token_weights: weight }, own]) {
    const { loss } = await model.forward_backward(batch, { objective })
    results.push({ loss, gradients: await takeGradients(model.parameters()) })
  }
  const [a, b] = results as [(typeof results)[0], (typeof results)[0]]
  expect(Math.abs(a.loss - b.loss)).toBeLessThanOrEqual(1e-6)
  expect(worst(a.gradients, b.gradients)).toBeLessThanOrEqual(1e-6)
})

it('what is no objective, and unknown keys, are told', async () => {
  const model = await tinyPeft()
  const run = (objective: unknown): Promise<unknown> =>
    model.forward_backward(batch, { objective: objective as Objective })
  await expect(run(3)).rejects.toThrow('[objective] got 3; expected a function')
  await expect(run({ los: meanNll })).rejects.toThrow("unknown key 'los'. Did you mean 'loss'?")
  await expect(run({ top_k: 3, loss: meanNll })).rejects.toThrow('[objective] top_k is not supported')
  await expect(run({ loss: meanNll, loss_type: 'dft' })).rejects.toThrow('loss and loss_type are two losses')
  await expect(run({ loss_type: 'dpo' })).rejects.toThrow("loss_type: got dpo; expected 'nll' or 'dft'")
  const options = { objectiv: meanNll } as object
  await expect(model.forward_backward(batch, options)).rejects.toThrow("Did you mean 'objective'?")
  const inputs = { ...randomInputs(lengths), label: [] }
  await expect(model.forward(inputs)).rejects.toThrow(
    "[forward] unknown input 'label'. Did you mean 'labels'?",
  )
})

it('batches accumulated by hand are one step', async () => {
  const inputs = randomInputs(lengths)
  const windows = lengths.map((n, b) => ({
    input_ids: [inputs.input_ids[b]!.slice(0, n)],
    labels: [inputs.labels[b]!.slice(0, n)],
  }))
  const [model, other] = [await tinyPeft(), await tinyPeft()]
  const result = await trainStep(model, new AdamW(model.parameters()), windows, {
    learning_rate: 1e-3,
    max_grad_norm: 0,
  })
  let loss = 0
  for (const one of windows) {
    loss += (await other.forward_backward(one, { num_items_in_batch: result.num_items })).loss
  }
  new AdamW(other.parameters()).step(1e-3)
  expect(Math.abs(loss - result.loss)).toBeLessThanOrEqual(1e-6)
  const values = (of: typeof model): Promise<Float32Array[]> =>
    Promise.all(of.parameters().map((p) => p.data.data()))
  expect(await values(other)).toEqual(await values(model))
})
