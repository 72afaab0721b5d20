import { describe, expect, it } from 'vitest'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { SFTTrainer } from '../../src/trainer/sft-trainer'
import { golden } from '../support/shared'
import { liveBytes, randomInputs } from '../models/tiny'
import { writeModel } from '../models/write-model'
import { texts, tinyTrainer, trainerOptions } from './tiny'

describe('the JavaScript thread', () => {
  it('stays free while a step of a larger model runs', async () => {
    const folder = await writeModel({
      hidden_size: 256,
      intermediate_size: 704,
      num_hidden_layers: 6,
      vocab_size: 1024,
    })
    const quantization_config = new BitsAndBytesConfig({ load_in_4bit: true, bnb_4bit_quant_type: 'nf4' })
    const model = await AutoModelForCausalLM.from_pretrained(folder, { quantization_config })
    const trainer = await tinyTrainer({ per_device_train_batch_size: 8, max_steps: 2 }, { model })
    let ticks = 0
    const started = performance.now()
    const timer = setInterval(() => ticks++, 5)
    await trainer.train()
    clearInterval(timer)
    // A step that blocked would leave room for a few ticks between the steps only.
    expect(ticks).toBeGreaterThan((performance.now() - started) / 5 / 4)
    expect(ticks).toBeGreaterThan(8)
  })
})

describe('an abort signal', () => {
  it('ends the run at a step boundary; what was trained stays', async () => {
    const controller = new AbortController()
    const trainer = await tinyTrainer(
      { max_steps: 1000, save_strategy: 'steps', save_steps: 0 },
      {
        callbacks: [{ on_step_end: (_, { global_step }) => void (global_step === 3 && controller.abort()) }],
      },
    )
    const start = await Promise.all(trainer.model.parameters().map((p) => p.data.data()))
    const output = await trainer.train({ signal: controller.signal })
    expect(output).toMatchObject({ global_step: 3, stopped: true })
    expect(trainer.state).toMatchObject({ global_step: 3, max_steps: 1000, epoch: 0.75 })
    const losses = trainer.state.log_history.map((row) => row['loss']!)
    expect(losses.length).toBe(3)
    expect(Math.abs(output.training_loss - losses.reduce((a, b) => a + b) / 3)).toBeLessThanOrEqual(1e-12)
    for (const [i, p] of trainer.model.parameters().entries()) {
      expect(await p.data.data(), p.name).not.toEqual(start[i])
      expect(p.grad).toBeUndefined()
    }
  })

  it('aborted from a timer, in the middle of a step', async () => {
    const trainer = await tinyTrainer({ max_steps: 100_000 })
    const controller = new AbortController()
    trainer.add_callback({ on_step_end: () => void setTimeout(() => controller.abort(), 20) })
    const output = await trainer.train({ signal: controller.signal })
    expect(output.stopped).toBe(true)
    expect(output.global_step).toBeGreaterThan(0)
    expect(output.global_step).toBeLessThan(100_000)
    expect(trainer.state.log_history.length).toBe(output.global_step)
  })

  it('aborted before the texts are tokenized or after, before the first step: stopped at step 0', async () => {
    const trainer = await tinyTrainer()
    const none = { global_step: 0, training_loss: 0, stopped: true }
    expect(await trainer.train({ signal: AbortSignal.abort() })).toMatchObject(none)
    const { train_dataset: _, ...options } = await trainerOptions()
    const formatting_func = (): string => (controller.abort(), 'hello')
    const controller = new AbortController()
    const formatted = new SFTTrainer({ ...options, train_dataset: texts(300), formatting_func })
    expect(await formatted.train({ signal: controller.signal })).toMatchObject(none)
    expect(formatted.state.global_step).toBe(0)
    expect(await trainer.train()).toMatchObject({ global_step: 4, stopped: false })
    formatted.dispose()
  })
})

describe('memory', () => {
  it.each([
    ['float32', {}],
    ['checkpointing and bf16', { gradient_checkpointing: true, bf16: true }],
  ])('everything is given back after training, evaluating, generating and dispose: %s', async (_, args) => {
    const before = await liveBytes()
    const quantization_config = new BitsAndBytesConfig({
      load_in_4bit: true,
      bnb_4bit_use_double_quant: true,
    })
    const model = await AutoModelForCausalLM.from_pretrained(golden('tiny-llama'), { quantization_config })
    const options = await trainerOptions(
      {
        gradient_accumulation_steps: 2,
        eval_strategy: 'steps',
        eval_steps: 2,
        save_strategy: 'steps',
        save_steps: 2,
        ...args,
      },
      { model, eval_dataset: texts(2) },
    )
    const trainer = new SFTTrainer(options)
    const loaded = await liveBytes()
    expect(loaded).toBeGreaterThan(before)
    await trainer.train()
    const trained = await liveBytes()
    const moments = trainer.model.parameters().reduce((n, p) => n + 2 * 4 * p.numel, 0)
    expect(trained - loaded).toBe(moments)
    await trainer.evaluate()
    await trainer.model.generate({ input_ids: [[5, 6, 7], [8]] }, { max_new_tokens: 6 })
    const { logits, hidden_states } = await trainer.model.forward({
      ...randomInputs([5, 3]),
      output_hidden_states: true,
    })
    for (const t of [logits, ...hidden_states!]) t.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(trained)
    await trainer.train()
    expect(await liveBytes()).toBeLessThanOrEqual(trained)
    trainer.dispose()
    expect(await liveBytes()).toBeLessThanOrEqual(before)
  })

  it('a failed step gives its memory back', async () => {
    const trainer = await tinyTrainer(
      {},
      { callbacks: [{ on_step_end: () => Promise.reject(new Error('boom')) }] },
    )
    const before = await liveBytes()
    await expect(trainer.train()).rejects.toThrow('boom')
    const moments = trainer.model.parameters().reduce((n, p) => n + 2 * 4 * p.numel, 0)
    expect((await liveBytes()) - before).toBe(moments)
  })
})
