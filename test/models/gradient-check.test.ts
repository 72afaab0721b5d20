import { expect, it } from 'vitest'
import { uniformStream } from '../../src/tensor/uniform-stream'
import type { Parameter } from '../../src/nn/parameter'
import type { LoraInit } from '../../src/peft/config'
import type { PeftModel } from '../../src/peft/model'
import { encode } from '../../src/tensor/convert'
import { randomInputs, takeGradients, tinyPeft } from './tiny'

const inputs = randomInputs([13, 9, 17], 5)

/** d loss / d t at 0 of parameter + t * direction: central differences of steps h and h / 2, extrapolated to 0. */
async function derivative(
  model: PeftModel,
  p: Parameter,
  direction: Float32Array,
  h: number,
): Promise<number> {
  const start = await p.data.data()
  const lossAt = async (t: number): Promise<number> => {
    p.data.write(
      encode(
        start.map((v, i) => v + t * direction[i]!),
        'float32',
      ),
    )
    const { loss, logits } = await model.forward(inputs)
    logits.dispose()
    return loss!
  }
  const central = async (step: number): Promise<number> =>
    ((await lossAt(step)) - (await lossAt(-step))) / (2 * step)
  const [wide, narrow] = [await central(h), await central(h / 2)]
  p.data.write(encode(start, 'float32'))
  return (4 * narrow - wide) / 3
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, v, i) => sum + v * b[i]!, 0)
}

function normalized(values: Float32Array): Float32Array {
  const norm = Math.sqrt(dot(values, values))
  return values.map((v) => v / norm)
}

/** Along the gradient the derivative is its norm; along a random direction their product. Both of unit length. */
async function checkParameter(model: PeftModel, p: Parameter, gradient: Float32Array): Promise<void> {
  const norm = Math.sqrt(dot(gradient, gradient))
  const uniform = uniformStream(p.numel)
  const random = normalized(gradient.map(() => uniform() - 0.5))
  for (const direction of [normalized(gradient), random]) {
    const expected = dot(gradient, direction)
    const found = await derivative(model, p, direction, 0.08)
    expect(Math.abs(found - expected), p.name).toBeLessThanOrEqual(1e-3 * norm)
  }
}

it.each([
  ['a 32-bit model, all linear layers', 'tiny-llama', {}, /lora_[AB]/],
  ['a 4-bit model, head trained too', 'tiny-llama-nf4', { modules_to_save: ['lm_head'] }, /./],
  ['biases', 'tiny-llama-bias', { bias: 'all', target_modules: ['q_proj', 'down_proj'] }, /./],
  // The norm under the magnitude counts as a constant, so only the magnitude's gradient is a plain derivative.
  ['magnitudes of DoRA', 'tiny-llama-nf4', { use_dora: true }, /magnitude/],
] as const)('gradients are the derivatives of the loss: %s', async (_, folder, lora, checked) => {
  const model = await tinyPeft(structuredClone(lora) as LoraInit, folder)
  await model.forward_backward(inputs)
  const gradients = await takeGradients(model.parameters())
  const parameters = model.parameters().filter((p) => checked.test(p.name))
  expect(parameters.length).toBeGreaterThan(10)
  for (const p of parameters) await checkParameter(model, p, gradients[p.name]!)
})
