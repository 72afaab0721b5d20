import { describe, expect, it } from 'vitest'
import {
  AdamW,
  AutoModelForCausalLM,
  get_scheduler,
  load_safetensors,
  PeftModel,
  train_step,
} from '../../src/index'
import { replay, variants } from '../gpu/support-replay.mjs'
import { golden } from '../support/shared'
import { cosine, goldenTensors, maxAbs, numbers, relative, shareWithin } from './support'

// Six optimizer steps against HF Trainer + PEFT, test/parity/golden/README.md "lora_step/".

const library = { AutoModelForCausalLM, PeftModel, AdamW, get_scheduler, train_step, load_safetensors }

const exact = { loss: 2e-5, norm: 1e-5, gradient: 1e-4, cosine: 0.999999, share: 0.999, weight: 2e-6 }
// Gradient: against the same step in float32, HF's bf16 gradients are up to 2.3e-2 away and ours 2.8e-2; the two differ by up to 3.2e-2.
const bf16 = { loss: 1e-2, norm: 1e-2, gradient: 3.5e-2, cosine: 0.999, share: 0.95, weight: 5e-5 }
describe.each(variants)('%s', (variant) => {
  it('loss, gradient norm, rate, gradients and weights step by step', async () => {
    const tolerance = variant === 'qv_bf16' ? bf16 : exact
    const expected = await goldenTensors('lora_step', variant, 'steps.safetensors')
    let rate = 0
    await replay(library, golden(), variant, undefined, {
      async gradients(step, model, loss, logged) {
        expect(Math.abs(loss - logged.loss)).toBeLessThanOrEqual(tolerance.loss)
        if (step > 0) return
        for (const [name, parameter] of model.named_parameters()) {
          const gradient = expected.get(`grad1.${name}`)!.data
          const ours = await numbers(parameter.grad!)
          expect(relative(ours, gradient), name).toBeLessThanOrEqual(tolerance.gradient)
          expect(cosine(ours, gradient), name).toBeGreaterThan(tolerance.cosine)
        }
      },
      async updated(step, model, { norm, lr }, logged) {
        expect(Math.abs(norm - logged.grad_norm) / logged.grad_norm).toBeLessThanOrEqual(tolerance.norm)
        expect(Math.abs(lr - logged.lr)).toBeLessThanOrEqual(1e-9 * logged.lr)
        rate = Math.max(rate, lr)
        for (const [name, parameter] of model.named_parameters()) {
          const after = expected.get(`after${step + 1}.${name}`)?.data
          if (!after) continue
          const ours = await numbers(parameter.data)
          expect(shareWithin(ours, after, tolerance.weight), name).toBeGreaterThanOrEqual(tolerance.share)
          // In bf16 the sign of a gradient near 0 may differ: then Adam steps the other way.
          const signs = variant === 'qv_bf16' ? 2 : 1
          expect(maxAbs(ours, after), name).toBeLessThanOrEqual(signs * rate * (step + 1) * 1.01)
        }
      },
    })
    expect.hasAssertions()
  })
})
