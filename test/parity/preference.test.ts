import { describe, expect, it, onTestFinished } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { Dataset, type Row } from '../../src/data/dataset'
import { tokenizeOrpoPairs } from '../../src/data/preference/orpo-pairs'
import { tokenizePairs } from '../../src/data/preference/pairs'
import { tokenizeUnpaired } from '../../src/data/preference/unpaired'
import type { PreferenceRow } from '../../src/data/preference/sequences'
import { LoraConfig } from '../../src/peft/config'
import { PeftModel } from '../../src/peft/model'
import { copy } from '../../src/tensor/ops'
import { Tensor } from '../../src/tensor/tensor'
import { DPOConfig, KTOConfig, ORPOConfig } from '../../src/trainer/preference/arguments'
import { DPOTrainer } from '../../src/trainer/preference/dpo-trainer'
import { KTOTrainer } from '../../src/trainer/preference/kto-trainer'
import { ORPOTrainer } from '../../src/trainer/preference/orpo-trainer'
import { temporaryFolder } from '../files/support/temporary'
import { tinyModel } from '../models/tiny'
import { golden } from '../support/shared'
import { silent } from '../trainer/tiny'
import { goldenJson, goldenTensors } from './support'

// DPO, ORPO and KTO beside TRL's trainers (preference.py), from texts to 20 optimizer steps.

interface GoldenRun {
  rows: string
  given: boolean
  args: Record<string, unknown>
  left: number
  ids: Record<string, number[][]>
  steps: Record<string, number>[]
  eval: Record<string, number> | null
}

const data = goldenJson<Record<string, Row[]>>('preference', 'data.json')
const runs = goldenJson<Record<string, GoldenRun>>('preference', 'runs.json')
const tokenizer = await AutoTokenizer.from_pretrained(golden('preference'))
const adapter = await goldenTensors('preference', 'adapter', 'adapter_model.safetensors')

const kinds = {
  dpo: { trainer: DPOTrainer, config: DPOConfig },
  orpo: { trainer: ORPOTrainer, config: ORPOConfig },
  kto: { trainer: KTOTrainer, config: KTOConfig },
} as const

function configOf(
  name: string,
  { args }: GoldenRun,
  output_dir = 'unused',
): DPOConfig | ORPOConfig | KTOConfig {
  const { config } = kinds[name.split(' ')[0] as keyof typeof kinds]
  return new config({
    output_dir,
    bf16: false,
    gradient_checkpointing: false,
    save_strategy: 'no',
    logging_steps: 1,
    max_steps: 20,
    per_device_train_batch_size: 2,
    per_device_eval_batch_size: 3,
    gradient_accumulation_steps: 2,
    learning_rate: 2e-3,
    train_sampling_strategy: 'sequential',
    ...args,
  })
}

const lora = { r: 4, lora_alpha: 8, lora_dropout: 0.1, target_modules: ['q_proj', 'v_proj'] }

async function trainerOf(name: string, run: GoldenRun): Promise<DPOTrainer | ORPOTrainer | KTOTrainer> {
  const base = await tinyModel('tiny-llama', { dtype: 'float32' })
  const model = run.given ? await PeftModel.from_pretrained(base, golden('preference', 'adapter')) : base
  const { trainer: Trainer } = kinds[name.split(' ')[0] as keyof typeof kinds]
  const rows = data[run.rows]!
  const trainer = new Trainer({
    model,
    args: configOf(name, run, await temporaryFolder()),
    train_dataset: Dataset.from_list(rows),
    eval_dataset: run.eval ? Dataset.from_list(rows.slice(0, 8)) : null,
    processing_class: tokenizer,
    peft_config: run.given ? null : new LoraConfig(lora),
    display: silent,
  })
  onTestFinished(() => trainer.dispose())
  if (!run.given)
    for (const [key, parameter] of trainer.model.named_parameters()) {
      using start = Tensor.from(Float32Array.from(adapter.get(key)!.data), { shape: parameter.data.shape })
      copy(start, parameter.data)
    }
  return trainer
}

/** Sequences of the first and last row, with how many tokens their answers have. */
function sequences(rows: readonly PreferenceRow[]): { ids: number[]; answer: number }[][] {
  return [rows[0]!, rows.at(-1)!].map(({ input_ids, seq_lengths, columns }) => {
    let at = 0
    return seq_lengths.map((length, s) => ({
      ids: [...input_ids.subarray(at, (at += length))],
      answer: columns['answer_tokens']![s] as number,
    }))
  })
}

const tolerance = 2e-4

describe.each(Object.entries(runs))('%s', (name, run) => {
  it('rows', async () => {
    const config = configOf(name, run)
    const dataset = Dataset.from_list(data[run.rows]!)
    const model = { vocab_size: 512, max_position_embeddings: 256 }
    const owner = name.split(' ')[0]!.toUpperCase()
    const asked = { owner, split: 'train', tokenizer, max_length: config.max_length, model }
    const { ids } = run
    const limit = config.max_length ?? Infinity
    const cut = (list: number[]): number[] => list.slice(0, limit)
    if (config instanceof DPOConfig) {
      const rows = await tokenizePairs(dataset, asked, config.truncation_mode)
      expect(rows).toHaveLength(run.left)
      const keepEnd = config.truncation_mode === 'keep_end'
      const kept = (list: number[]): number[] => (keepEnd ? list.slice(-limit) : cut(list))
      const wanted = [0, 1].map((i) =>
        ['chosen_ids', 'rejected_ids'].map((side) => {
          const prompt = ids['prompt_ids']![i]!.map((id) => ({ id, answer: 0 }))
          const whole = [...prompt, ...ids[side]![i]!.map((id) => ({ id, answer: 1 }))]
          const rest = keepEnd ? whole.slice(-limit) : whole.slice(0, limit)
          return { ids: kept(whole.map(({ id }) => id)), answer: rest.filter(({ answer }) => answer).length }
        }),
      )
      expect(sequences(rows)).toEqual(wanted)
    } else if (config instanceof ORPOConfig) {
      const rows = await tokenizeOrpoPairs(dataset, asked)
      expect(rows).toHaveLength(run.left)
      const wanted = [0, 1].map((i) =>
        ['chosen', 'rejected'].map((side) => ({
          ids: ids[`${side}_input_ids`]![i]!,
          answer: ids[`${side}_labels`]![i]!.filter((label) => label !== -100).length,
        })),
      )
      expect(sequences(rows)).toEqual(wanted)
    } else {
      const groups = config.loss_type === 'kto' ? 2 : undefined
      const rows = await tokenizeUnpaired(dataset, asked, groups)
      expect(rows).toHaveLength(run.left)
      const whole = (i: number, key: string): number[] => cut([...ids['prompt_ids']![i]!, ...ids[key]![i]!])
      expect(sequences(rows).map(([row]) => row!.ids)).toEqual([0, 1].map((i) => whole(i, 'completion_ids')))
      const kl = [rows[0]!, rows.at(-1)!].map((row) => row.columns['kl']?.[0] as { input_ids: Int32Array })
      if (groups)
        expect(kl.map(({ input_ids }) => [...input_ids])).toEqual(
          [0, 1].map((i) => whole(i, 'KL_completion_ids')),
        )
    }
  })

  it('20 steps', async () => {
    const trainer = await trainerOf(name, run)
    await trainer.train()
    const rows = trainer.state.log_history.filter((row) => 'loss' in row)
    expect(rows).toHaveLength(20)
    for (const [i, wanted] of run.steps.entries())
      for (const [key, value] of Object.entries(wanted)) {
        // TRL counts the chosen answers' tokens alone; here it is not logged.
        if (key === 'mean_token_accuracy') continue
        const got = rows[i]![key]!
        expect(Math.abs(got - value), `step ${i + 1}: ${key}: ${got}, TRL ${value}`).toBeLessThanOrEqual(
          tolerance,
        )
      }
    if (!run.eval) return
    const evaluated = await trainer.evaluate()
    for (const [key, value] of Object.entries(run.eval)) {
      if (key === 'eval_num_tokens' || key === 'eval_mean_token_accuracy') continue
      expect(
        Math.abs(evaluated[key]! - value),
        `${key}: ${evaluated[key]}, TRL ${value}`,
      ).toBeLessThanOrEqual(tolerance)
    }
  })
})
