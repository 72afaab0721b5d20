// Optimizer steps of the tiny golden models, as test/parity/golden/README.md "lora_step/" has them of HF Trainer + PEFT: what the
// parity test, and the check on a GPU machine without vitest, both go through.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export const variants = [
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

/** @typedef {{ loss: number, grad_norm: number, lr: number }} LoggedStep */
/** @typedef {import('../../src/peft/model').PeftModel} PeftModel */

/**
 * @param {Record<string, any>} library what the library exports under these names: AutoModelForCausalLM, PeftModel, AdamW,
 *   get_scheduler, train_step, load_safetensors
 * @param {string} folder of the goldens
 * @param {string} variant
 * @param {string | undefined} device
 * @param {{
 *   gradients(step: number, model: PeftModel, loss: number, logged: LoggedStep): Promise<void>,
 *   updated(step: number, model: PeftModel, update: { norm: number, lr: number }, logged: LoggedStep): Promise<void>,
 * }} see called after each step: for the gradients before clipping, and for the weights
 */
export async function replay(library, folder, variant, device, see) {
  const { AutoModelForCausalLM, PeftModel, AdamW, get_scheduler, train_step, load_safetensors } = library
  const at = (...parts) => join(folder, ...parts)
  const log = JSON.parse(readFileSync(at('lora_step', variant, 'log.json'), 'utf8'))
  const batches = await load_safetensors(at('lora_step', log.batches))
  const { args } = log
  const base = await AutoModelForCausalLM.from_pretrained(at(log.base), {
    dtype: args.bf16 ? 'bfloat16' : 'float32',
    ...(device && { device_map: device }),
  })
  const model = await PeftModel.from_pretrained(base, at('lora_step', variant, 'init'))
  const optimizer = new AdamW(model.parameters(), { weight_decay: args.weight_decay })
  const schedule = get_scheduler(args.lr_scheduler_type, {
    num_warmup_steps: log.warmup_steps,
    num_training_steps: args.max_steps,
    learning_rate: args.learning_rate,
  })
  for (const [step, logged] of log.steps.entries()) {
    const window = []
    for (let m = 0; m < log.microbatches_per_step; m++) {
      const key = `mb${String(step * log.microbatches_per_step + m).padStart(2, '0')}`
      const rows = {}
      for (const field of ['input_ids', 'attention_mask', 'labels'])
        rows[field] = await rowsOf(batches[`${key}.${field}`])
      window.push(rows)
    }
    const lr = args.learning_rate * schedule(step)
    const { loss, grad_norm } = await train_step(model, optimizer, window, {
      learning_rate: lr,
      max_grad_norm: args.max_grad_norm,
      bf16: args.bf16,
    })
    await see.gradients(step, model, loss, logged)
    await see.updated(step, model, { norm: grad_norm, lr }, logged)
  }
  optimizer.dispose()
  model.dispose()
  for (const tensor of Object.values(batches)) tensor.dispose()
}

/**
 * Frobenius norm of the difference over that of the reference; NaN when the lengths differ.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} reference
 */
export function relative(a, reference) {
  if (a.length !== reference.length) return NaN
  let difference = 0
  let norm = 0
  for (let i = 0; i < a.length; i++) {
    difference += (a[i] - reference[i]) ** 2
    norm += reference[i] ** 2
  }
  // A reference of zeros has no scale: then the difference itself counts.
  return Math.sqrt(difference) / (norm === 0 ? 1 : Math.sqrt(norm))
}

async function rowsOf(tensor) {
  const [rows, cols] = tensor.shape
  const data = Array.from(await tensor.data(), Number)
  return Array.from({ length: rows }, (_, r) => data.slice(r * cols, (r + 1) * cols))
}
