import { describe, expect, it } from 'vitest'
import { packInputs } from '../../src/models/padding'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { countTargets } from '../../src/models/batch'
import { runPass } from '../../src/models/pass'
import { AdamW } from '../../src/optim/adamw'
import { clipGradNorm } from '../../src/optim/clip'
import { get_scheduler } from '../../src/optim/schedules'
import { PeftModel } from '../../src/peft/model'
import { golden } from '../support/shared'
import { cosine, goldenJson, goldenTensors, maxAbs, numbers, relative, rowsOf, shareWithin } from './support'

// Six optimizer steps against HF Trainer + PEFT, test/parity/golden/README.md "lora_step/".

interface Log {
  base: string
  batches: string
  microbatches_per_step: number
  warmup_steps: number
  args: {
    learning_rate: number
    lr_scheduler_type: string
    weight_decay: number
    max_grad_norm: number
    max_steps: number
    bf16?: boolean
  }
  steps: { loss: number; grad_norm: number; lr: number }[]
}

const exact = { loss: 2e-5, norm: 1e-5, gradient: 1e-4, cosine: 0.999999, share: 0.999, weight: 2e-6 }
// Gradient: against the same step in float32, HF's bf16 gradients are up to 2.3e-2 away and ours 2.8e-2; the two differ by up to 3.2e-2.
const bf16 = { loss: 1e-2, norm: 1e-2, gradient: 3.5e-2, cosine: 0.999, share: 0.95, weight: 5e-5 }
const variants = [
  'qv',
  'qv_const',
  'all_linear',
  'all_linear_rslora',
  'all_linear_dora',
  'qv_ga2',
  'qv_lm_head',
  'bias_all',
  'qv_bf16',
]

describe.each(variants)('%s', (variant) => {
  it('loss, gradient norm, rate, gradients and weights step by step', async () => {
    const tolerance = variant === 'qv_bf16' ? bf16 : exact
    const log = goldenJson<Log>('lora_step', variant, 'log.json')
    const batches = await goldenTensors('lora_step', log.batches)
    const expected = await goldenTensors('lora_step', variant, 'steps.safetensors')
    const { args } = log
    const base = await AutoModelForCausalLM.from_pretrained(golden(log.base), {
      dtype: args.bf16 ? 'bfloat16' : 'float32',
    })
    const model = await PeftModel.from_pretrained(base, golden('lora_step', variant, 'init'))
    const optimizer = new AdamW(model.parameters(), { weight_decay: args.weight_decay })
    const schedule = get_scheduler(args.lr_scheduler_type, {
      num_warmup_steps: log.warmup_steps,
      num_training_steps: args.max_steps,
      learning_rate: args.learning_rate,
    })
    for (const [step, reference] of log.steps.entries()) {
      const window = Array.from({ length: log.microbatches_per_step }, (_, m) => {
        const key = `mb${String(step * log.microbatches_per_step + m).padStart(2, '0')}`
        const rows = (field: string): number[][] => rowsOf(batches.get(`${key}.${field}`)!)
        return packInputs({
          input_ids: rows('input_ids'),
          attention_mask: rows('attention_mask'),
          labels: rows('labels'),
        }).packed
      })
      const numItems = window.reduce((n, batch) => n + countTargets(batch), 0)
      optimizer.zeroGrad()
      let loss = 0
      for (const batch of window) {
        const stats = await runPass(base, batch, { numItems, autocast: args.bf16 ? 'bfloat16' : undefined })
        loss += stats.lossSum / numItems
      }
      expect(Math.abs(loss - reference.loss)).toBeLessThanOrEqual(tolerance.loss)
      if (step === 0) {
        for (const [name, parameter] of model.named_parameters()) {
          const gradient = expected.get(`grad1.${name}`)!.data
          const ours = await numbers(parameter.grad!)
          expect(relative(ours, gradient), name).toBeLessThanOrEqual(tolerance.gradient)
          expect(cosine(ours, gradient), name).toBeGreaterThan(tolerance.cosine)
        }
      }
      const norm = await clipGradNorm(model.parameters(), args.max_grad_norm)
      expect(Math.abs(norm - reference.grad_norm) / reference.grad_norm).toBeLessThanOrEqual(tolerance.norm)
      const lr = args.learning_rate * schedule(step)
      expect(Math.abs(lr - reference.lr)).toBeLessThanOrEqual(1e-9 * reference.lr)
      optimizer.step(lr)
      for (const [name, parameter] of model.named_parameters()) {
        const after = expected.get(`after${step + 1}.${name}`)?.data
        if (!after) continue
        const ours = await numbers(parameter.data)
        expect(shareWithin(ours, after, tolerance.weight), name).toBeGreaterThanOrEqual(tolerance.share)
        // In bf16 the sign of a gradient near 0 may differ: then Adam steps the other way.
        const signs = variant === 'qv_bf16' ? 2 : 1
        expect(maxAbs(ours, after), name).toBeLessThanOrEqual(signs * args.learning_rate * (step + 1) * 1.01)
      }
    }
    optimizer.dispose()
    model.dispose()
  })
})
