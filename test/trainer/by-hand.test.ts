import { expect, it, onTestFinished } from 'vitest'
import {
  AdamW,
  AutoModelForCausalLM,
  clip_grad_norm_,
  get_peft_model,
  get_scheduler,
  LoraConfig,
  SFTTrainer,
  train_step,
  type Objective,
  type PeftModel,
} from '../../src/index'
import { golden } from '../support/shared'
import { sharedTokenizer, texts, trainerOptions } from './tiny'

// A loop of a user's own, with public names only, beside SFTTrainer with accumulation on the same rows.

const accumulation = 2
const steps = 3
const max_grad_norm = 0.5
const lora = { r: 4, lora_alpha: 8, target_modules: ['q_proj', 'v_proj'] }

interface Run {
  losses: number[]
  norms: number[]
  adapter: Float32Array[]
}

const adapterOf = (model: PeftModel): Promise<Float32Array[]> =>
  Promise.all(model.parameters().map((p) => p.data.data()))

async function byTrainer(args: object): Promise<Run> {
  const options = await trainerOptions(
    {
      ...{ max_steps: steps, gradient_accumulation_steps: accumulation, max_grad_norm, seed: 3 },
      ...{ train_sampling_strategy: 'sequential', lr_scheduler_type: 'linear', ...args },
    },
    { peft_config: new LoraConfig(lora) },
  )
  const trainer = new SFTTrainer(options)
  onTestFinished(() => trainer.dispose())
  await trainer.train()
  const rows = trainer.state.log_history.filter((row) => 'loss' in row)
  return {
    losses: rows.map((row) => row['loss']!),
    norms: rows.map((row) => row['grad_norm']!),
    adapter: await adapterOf(trainer.model),
  }
}

/** The micro batches of each step: two rows each, in order, epoch after epoch. */
async function windows(): Promise<{ input_ids: number[][]; labels: number[][] }[][]> {
  const tokenizer = await sharedTokenizer()
  const rowOf = async (text: string): Promise<number[]> => {
    const ids = await tokenizer.encode(text)
    return [...ids, tokenizer.eos_token_id!].slice(0, 48)
  }
  const rows = await Promise.all([...texts(8)].map(({ text }) => rowOf(String(text))))
  const micro = (n: number): { input_ids: number[][]; labels: number[][] } => {
    const two = [2 * n, 2 * n + 1].map((i) => rows[i % rows.length]!)
    return { input_ids: two, labels: two }
  }
  return Array.from({ length: steps }, (_, s) =>
    Array.from({ length: accumulation }, (_, m) => micro(accumulation * s + m)),
  )
}

async function byHand(objective: Objective | undefined, whole: boolean): Promise<Run> {
  const base = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'))
  const model = get_peft_model(base, new LoraConfig(lora), { seed: 3, dtype: 'float32' })
  onTestFinished(() => model.dispose())
  const optimizer = new AdamW(model.parameters())
  onTestFinished(() => optimizer.dispose())
  const schedule = get_scheduler('linear', { num_training_steps: steps, learning_rate: 1e-3 })
  const run: Run = { losses: [], norms: [], adapter: [] }
  for (const [step, window] of (await windows()).entries()) {
    const learning_rate = 1e-3 * schedule(step)
    if (whole) {
      const result = await train_step(model, optimizer, window, { learning_rate, max_grad_norm, objective })
      run.losses.push(result.loss)
      run.norms.push(result.grad_norm)
      continue
    }
    // The first token of a row is no target.
    const num_items_in_batch = window
      .flatMap(({ labels }) => labels)
      .reduce((n, row) => n + row.length - 1, 0)
    let loss = 0
    for (const batch of window)
      loss += (await model.forward_backward(batch, { num_items_in_batch, ...(objective && { objective }) }))
        .loss
    run.losses.push(loss)
    run.norms.push(await clip_grad_norm_(model.parameters(), max_grad_norm))
    const clipped = await clip_grad_norm_(model.parameters(), 0)
    expect(Math.abs(clipped / Math.min(max_grad_norm, run.norms.at(-1)!) - 1)).toBeLessThanOrEqual(1e-5)
    optimizer.step(learning_rate)
    optimizer.zeroGrad()
  }
  run.adapter = await adapterOf(model)
  return run
}

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - b[i]!)),
    Math.abs(a.length - b.length),
  )

it.each<[string, object, Objective | undefined]>([
  ['the default loss', {}, undefined],
  ['label smoothing', { label_smoothing_factor: 0.2 }, { label_smoothing_factor: 0.2 }],
])('losses, norms and adapters are those of SFTTrainer: %s', async (_, args, objective) => {
  const trained = await byTrainer(args)
  expect(trained.losses.length).toBe(steps)
  // The norm is clipped, or the test would not see it.
  expect(Math.max(...trained.norms)).toBeGreaterThan(max_grad_norm)
  const stepped = await byHand(objective, true)
  expect(stepped).toEqual(trained)
  const parts = await byHand(objective, false)
  expect(distance(parts.losses, trained.losses)).toBeLessThanOrEqual(1e-6)
  expect(distance(parts.norms, trained.norms)).toBeLessThanOrEqual(1e-5)
  trained.adapter.forEach((values, i) =>
    expect(distance(parts.adapter[i]!, values)).toBeLessThanOrEqual(1e-6),
  )
})
