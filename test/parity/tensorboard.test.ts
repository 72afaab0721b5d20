import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { Dataset } from '../../src/data/dataset'
import { ggufTokenizer } from '../../src/data/gguf-tokenizer'
import type { TrainingDisplay } from '../../src/display/training-progress'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { LoraConfig } from '../../src/peft/config'
import { rewriteTag } from '../../src/trainer/logs/tensorboard'
import { SFTConfig } from '../../src/trainer/arguments'
import { SFTTrainer } from '../../src/trainer/sft-trainer'
import type { LogRow } from '../../src/trainer/state'
import { tinyMetadata } from '../data/tiny'
import { golden, titled } from '../support/shared'
import { oracleNeeds, oraclePython, oracleTimeout, runOracle } from './oracle'

// A short training run with report_to: 'tensorboard', read back by TensorBoard's own reader.

interface Read {
  file_version: number
  scalars: Record<string, [step: number, value: number][]>
  texts: Record<string, [step: number, text: string][]>
}

const quiet: TrainingDisplay = { start: () => {}, step: () => {}, log: () => {}, end: () => {} }

/** Rows of ids that follow a rule, so that there is something to learn. */
const rows = (count: number): Dataset =>
  Dataset.from_list(
    Array.from({ length: count }, (_, row) => ({
      input_ids: Array.from({ length: 5 + (row % 7) }, (_, t) => 3 + ((row * 31 + t * t * 7) % 250)),
    })),
  )

describe.skipIf(!oraclePython)(
  titled("a run read by TensorBoard's reader", oraclePython, oracleNeeds),
  () => {
    let folder: string
    let history: LogRow[]
    let read: Read
    let args: SFTConfig

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'qlora-tensorboard-'))
      writeFileSync(
        join(folder, 'tokenizer.json'),
        JSON.stringify(ggufTokenizer(tinyMetadata(), 'tiny').tokenizer),
      )
      const trainer = new SFTTrainer({
        model: await AutoModelForCausalLM.from_pretrained(golden('tiny-llama-nf4')),
        args: new SFTConfig({
          output_dir: folder,
          max_steps: 6,
          per_device_train_batch_size: 2,
          learning_rate: 1e-3,
          logging_steps: 2,
          eval_strategy: 'steps',
          eval_steps: 3,
          save_strategy: 'no',
          report_to: 'tensorboard',
          bf16: false,
        }),
        train_dataset: rows(12),
        eval_dataset: rows(4),
        processing_class: await AutoTokenizer.from_pretrained(folder),
        peft_config: new LoraConfig({ r: 4, task_type: 'CAUSAL_LM' }),
        display: quiet,
      })
      await trainer.train()
      args = trainer.args
      history = trainer.state.log_history
      trainer.dispose()
      const runs = readdirSync(join(folder, 'runs'))
      expect(runs).toHaveLength(1)
      read = await runOracle('read_events.py', join(folder, 'runs', runs[0]!))
    }, oracleTimeout)
    afterAll(() => rmSync(folder, { recursive: true, force: true }))

    it('has every figure of trainer.state.log_history under its tag and step, and no other', () => {
      const expected: Read['scalars'] = {}
      for (const { step, ...figures } of history) {
        // Event files hold float32.
        for (const [key, value] of Object.entries(figures))
          (expected[rewriteTag(key)] ??= []).push([step!, Math.fround(value)])
      }
      expect(read.scalars).toEqual(expected)
      expect(read.file_version).toBe(2)
    })

    it('has the figures that transformers and TRL log', () => {
      const steps = (tag: string): number[] | undefined => read.scalars[tag]?.map(([step]) => step)
      const figures = ['loss', 'grad_norm', 'learning_rate', 'entropy', 'mean_token_accuracy', 'num_tokens']
      for (const name of figures) expect(steps(`train/${name}`), name).toEqual([2, 4, 6])
      for (const name of ['loss', 'runtime', 'samples_per_second', 'steps_per_second']) {
        expect(steps(`eval/${name}`), name).toEqual([3, 6])
      }
      for (const name of ['runtime', 'samples_per_second', 'steps_per_second', 'loss']) {
        expect(steps(`train/train_${name}`), name).toEqual([6])
      }
      // Six steps of two rows are one epoch: what it says at the end.
      expect(read.scalars['train/epoch']!.at(-1)).toEqual([6, 1])
    })

    it('has the arguments and the model as texts', () => {
      const { 'args/text_summary': given, 'model_config/text_summary': model } = read.texts
      expect(given).toEqual([[0, args.to_json_string()]])
      expect(JSON.parse(model![0]![1])).toMatchObject({ model_type: 'llama', num_hidden_layers: 3 })
    })
  },
)
