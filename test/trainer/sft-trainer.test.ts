import { describe, expect, it, vi } from 'vitest'
import { Dataset } from '../../src/data/dataset'
import type { LossFunction } from '../../src/models/objective'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { runPass } from '../../src/models/pass'
import { collate } from '../../src/data/collator'
import { tokenizeDataset } from '../../src/data/tokenize'
import { LoraConfig } from '../../src/peft/config'
import { SFTConfig, TrainingArguments } from '../../src/trainer/arguments'
import { SFTTrainer, type SFTTrainerOptions } from '../../src/trainer/sft-trainer'
import { tinyTokenizer } from '../data/tiny'
import { tinyPeft } from '../models/tiny'
import { writeModel } from '../models/write-model'
import { sharedTokenizer, texts, tinyTrainer, trainerOptions } from './tiny'

/** Options without those that are undefined, of a model that is freed. */
async function made(changes: Record<string, unknown>): Promise<SFTTrainer> {
  const { model, ...options } = await trainerOptions()
  const all = { model: await tinyPeft(), ...options, peft_config: undefined, ...changes }
  if (typeof model !== 'string') model.dispose()
  return new SFTTrainer(
    Object.fromEntries(
      Object.entries(all).filter(([, v]) => v !== undefined),
    ) as unknown as SFTTrainerOptions,
  )
}

describe('options', () => {
  it.each([
    [
      'an unknown name',
      { datset_text_field: 'text' },
      "[SFTTrainer] unknown option 'datset_text_field'. Did you mean 'dataset_text_field'?",
    ],
    ['no data set', { train_dataset: undefined }, '[SFTTrainer] train_dataset is missing'],
    [
      'not a model',
      { model: {} },
      '[SFTTrainer] model: got {}, needs a model from AutoModelForCausalLM.from_pretrained, or the name or folder of one',
    ],
    [
      'a name without an adapter to put on it',
      { model: 'some/model', peft_config: undefined },
      '[SFTTrainer] peft_config is missing: only adapters are trained',
    ],
    [
      'two adapters',
      { peft_config: new LoraConfig() },
      'the model has an adapter already; give a model or peft_config, not both',
    ],
    [
      'a wrong value',
      { max_seq_length: 0 },
      '[SFTTrainer] max_seq_length: got 0, needs a whole number >= 1 or null',
    ],
  ])('%s is refused', async (_, changes, message) => {
    await expect(made(changes)).rejects.toThrow(message)
  })

  it("a tokenizer whose end token lies beyond the model's embedding is refused", async () => {
    const model = await AutoModelForCausalLM.from_pretrained(await writeModel({ vocab_size: 260 }))
    const processing_class = await tinyTokenizer({ eos_token: 'hello' })
    const id = processing_class.eos_token_id!
    await expect(made({ model, processing_class, peft_config: new LoraConfig() })).rejects.toThrow(
      `[SFTTrainer] processing_class: eos_token 'hello' has the id ${id}, but the model's embedding ends at 259; give the model's own tokenizer`,
    )
  })

  it('a model without an adapter needs a peft_config', async () => {
    const model = (await tinyPeft()).unload()
    await expect(made({ model })).rejects.toThrow(
      '[SFTTrainer] peft_config is missing: only adapters are trained',
    )
  })

  it('the tokenizer goes by two names, one at a time', async () => {
    const tokenizer = await sharedTokenizer()
    expect((await made({ processing_class: undefined, tokenizer })).processing_class).toBe(tokenizer)
    expect((await made({ processing_class: tokenizer, tokenizer })).processing_class).toBe(tokenizer)
    await expect(made({ processing_class: tokenizer, tokenizer: await tinyTokenizer() })).rejects.toThrow(
      'processing_class and tokenizer are two different tokenizers; give one',
    )
  })

  it('the places of 2024 override the config', async () => {
    const trainer = await made({ dataset_text_field: 'content', max_seq_length: 77, packing: true })
    expect(trainer.args).toMatchObject({ dataset_text_field: 'content', max_length: 77, packing: true })
  })

  it('max_seq_length null means 1024 and says so', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const trainer = await made({ max_seq_length: null, args: new SFTConfig({ max_length: 5 }) })
    expect(trainer.args.max_length).toBe(1024)
    expect(warn.mock.calls.flat().join('\n')).toContain('max_seq_length is null: rows are cut at 1024 tokens')
    warn.mockRestore()
  })

  it('a TrainingArguments keeps its values; SFTConfig has its own defaults', async () => {
    const plain = await made({ args: new TrainingArguments({ output_dir: 'out', logging_steps: 3 }) })
    expect(plain.args).toMatchObject({
      bf16: false,
      gradient_checkpointing: false,
      learning_rate: 5e-5,
      logging_steps: 3,
    })
    expect(plain.args).toMatchObject({ max_length: 1024, dataset_text_field: 'text' })
    expect(plain.model.base_model.is_gradient_checkpointing).toBe(false)
    const sft = await made({ args: undefined })
    expect(sft.args).toMatchObject({
      bf16: true,
      gradient_checkpointing: true,
      learning_rate: 2e-5,
      output_dir: 'trainer_output',
    })
    expect(sft.model.base_model.is_gradient_checkpointing).toBe(true)
  })

  it('the seed makes the adapter; bf16 makes it bfloat16', async () => {
    const start = async (seed: number, bf16 = false): Promise<unknown> => {
      const { model } = await tinyTrainer({ seed, bf16 })
      const a = model.parameters()[0]!.data
      expect(a.dtype).toBe(bf16 ? 'bfloat16' : 'float32')
      return a.data()
    }
    expect(await start(1)).toEqual(await start(1))
    expect(await start(1)).not.toEqual(await start(2))
    await start(1, true)
  })
})

describe('data', () => {
  it('an empty data set', async () => {
    const trainer = await tinyTrainer({}, { train_dataset: Dataset.from_list([]) })
    await expect(trainer.train()).rejects.toThrow('[SFT] the train data set is empty')
  })

  it('a data set without the text column names those it has', async () => {
    const trainer = await tinyTrainer(
      {},
      { train_dataset: Dataset.from_list([{ question: 'a', answer: 'b' }]) },
    )
    await expect(trainer.train()).rejects.toThrow("no column 'text' (dataset_text_field)")
    await expect(trainer.train()).rejects.toThrow('Its columns: question, answer')
  })

  it('too few rows for a batch with dataloader_drop_last', async () => {
    const trainer = await tinyTrainer({ dataloader_drop_last: true, per_device_train_batch_size: 16 })
    await expect(trainer.train()).rejects.toThrow(
      '[SFTTrainer] 8 rows make no batch of 16 with dataloader_drop_last',
    )
  })

  it('dataset_text_field and formatting_func say what is learned', async () => {
    const rows = Dataset.from_list([{ content: 'hello world' }, { content: 'hello hello' }])
    const run = async (options: Partial<SFTTrainerOptions>): Promise<unknown> => {
      const trainer = await tinyTrainer({ max_steps: 1 }, { train_dataset: rows, ...options })
      await trainer.train()
      return trainer.state.log_history[0]!['loss']
    }
    const byColumn = await run({ dataset_text_field: 'content' })
    expect(await run({ formatting_func: (row) => String(row['content']) })).toBe(byColumn)
    expect(await run({ formatting_func: (row) => `${String(row['content'])}!` })).not.toBe(byColumn)
  })

  it('packing fills rows, max_length cuts them', async () => {
    const train = async (args: object): Promise<{ tokens: number; rows: number }> => {
      const trainer = await tinyTrainer({
        max_steps: -1,
        num_train_epochs: 1,
        per_device_train_batch_size: 1,
        ...args,
      })
      const { global_step } = await trainer.train()
      return { tokens: trainer.state.num_input_tokens_seen, rows: global_step }
    }
    expect(await train({ max_length: 10 })).toEqual({ tokens: 80, rows: 8 })
    const whole = await train({ max_length: null })
    expect(whole.rows).toBe(8)
    expect(await train({ max_length: 100, packing: true })).toEqual({ tokens: whole.tokens, rows: 3 })
  })
})

describe('evaluate', () => {
  it('gives the mean loss over all targets, whatever the batch size', async () => {
    const data = texts(5)
    const small = await tinyTrainer({ per_device_eval_batch_size: 2 }, { eval_dataset: data })
    const metrics = await small.evaluate()
    expect(Object.keys(metrics)).toEqual([
      ...['eval_loss', 'eval_entropy', 'eval_mean_token_accuracy'],
      ...['eval_runtime', 'eval_samples_per_second', 'eval_steps_per_second'],
    ])
    const { rows } = await tokenizeDataset(data, small.processing_class, { max_length: 48 })
    const stats = await runPass(small.model.base_model, collate(rows), { backward: false })
    for (const [key, sum] of [
      ['eval_loss', stats.lossSum],
      ['eval_entropy', stats.entropySum],
      ['eval_mean_token_accuracy', stats.correct],
    ] as const)
      expect(Math.abs(metrics[key]! - sum / stats.numTargets), key).toBeLessThanOrEqual(1e-6)
    expect(metrics['eval_samples_per_second']! / metrics['eval_steps_per_second']!).toBeCloseTo(5 / 3, 10)
  })

  it('takes another data set, and needs one', async () => {
    const trainer = await tinyTrainer()
    await expect(trainer.evaluate()).rejects.toThrow(
      '[SFTTrainer] evaluate: give a data set, or eval_dataset to the constructor',
    )
    await expect(trainer.evaluate(Dataset.from_list([]))).rejects.toThrow(
      '[SFT] the evaluation data set is empty',
    )
    expect((await trainer.evaluate(texts(2)))['eval_loss']).toBeGreaterThan(4)
  })

  it('falls when what is evaluated was learned', async () => {
    const trainer = await tinyTrainer({ max_steps: 20, learning_rate: 1e-2 }, { eval_dataset: texts(8) })
    const before = (await trainer.evaluate())['eval_loss']!
    await trainer.train()
    expect((await trainer.evaluate())['eval_loss']).toBeLessThan(0.8 * before)
  })
})

it('a method that nothing calls is told, as a method or as a field', async () => {
  class Method extends SFTTrainer {
    compute_loss(): number {
      return 0
    }
  }
  class Field extends SFTTrainer {
    compute_loss = (): number => 0
  }
  const options = await trainerOptions()
  const message = '[SFTTrainer] compute_loss is overridden, but nothing calls it: give the loss as objective'
  expect(() => new Method(options)).toThrow(message)
  const trainer = new Field(options)
  await expect(trainer.train()).rejects.toThrow(message)
  trainer.dispose()
})

it('trains on an objective, or on what the options say, and refuses both', async () => {
  const losses = async (args: object, options: object = {}): Promise<number> =>
    (await (await tinyTrainer({ max_steps: 2, ...args }, options)).train()).training_loss
  const plain = await losses({})
  const objective: LossFunction = (logps, { num_items_in_batch: n }) => ({
    loss: -logps.reduce((a, b) => a + b, 0) / n,
    dlogps: logps.map(() => -1 / n),
  })
  expect(Math.abs((await losses({}, { objective })) - plain)).toBeLessThanOrEqual(1e-6)
  const dft: LossFunction = (logps, { num_items_in_batch: n }) => ({
    loss: -logps.reduce((a, b) => a + b * Math.exp(b), 0) / n,
    dlogps: logps.map((p) => -Math.exp(p) / n),
  })
  const own = await losses({}, { objective: dft })
  expect(Math.abs((await losses({ loss_type: 'dft' })) - own)).toBeLessThanOrEqual(1e-6)
  expect(own).toBeLessThan(0.5 * plain)
  expect(await losses({ label_smoothing_factor: 0.5 })).not.toBe(plain)
  await expect(losses({ loss_type: 'dft' }, { objective })).rejects.toThrow(
    '[SFTTrainer] objective and loss_type are two losses; give one',
  )
  await expect(losses({ loss_type: 'dft', label_smoothing_factor: 0.1 })).rejects.toThrow('no meaning')
})
