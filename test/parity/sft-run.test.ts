import { cpSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { load_dataset } from '../../src/data/load-dataset'
import { AutoModelForCausalLM } from '../../src/models/auto'
import { PeftModel } from '../../src/peft/model'
import { BitsAndBytesConfig } from '../../src/quantization/config'
import { SFTTrainer } from '../../src/trainer/sft-trainer'
import { SFTConfig } from '../../src/trainer/arguments'
import { golden, sharedPath, titled } from '../support/shared'
import { goldenJson, goldenTensors, numbers, shareWithin } from './support'

// The article's steps on stories260K, 50 optimizer steps against TRL, test/parity/golden/README.md "sft_run/".

interface Replay {
  compute: 'float32' | 'float16'
  adapter: 'float32' | 'bfloat16'
  doubleQuant: boolean
  data: 'instruct' | 'stories'
  loss: number
  meanLoss: number
  norm: number
}

const replays: Record<string, Replay> = {
  replay_f32: {
    compute: 'float32',
    adapter: 'float32',
    doubleQuant: false,
    data: 'instruct',
    loss: 2e-4,
    meanLoss: 2e-4,
    norm: 1e-4,
  },
  replay_f32_dq: {
    compute: 'float32',
    adapter: 'float32',
    doubleQuant: true,
    data: 'stories',
    loss: 2e-4,
    meanLoss: 2e-4,
    norm: 1e-4,
  },
  replay_bf16_adapter: {
    compute: 'float32',
    adapter: 'bfloat16',
    doubleQuant: false,
    data: 'instruct',
    loss: 3e-3,
    meanLoss: 5e-4,
    norm: 1e-2,
  },
  replay_f16_compute: {
    compute: 'float16',
    adapter: 'float32',
    doubleQuant: false,
    data: 'instruct',
    loss: 5e-3,
    meanLoss: 1e-3,
    norm: 5e-3,
  },
}

interface GoldenLog {
  steps: Record<string, number>[]
}

const base = sharedPath('data', 'stories260k')
const instruct = sharedPath('data', 'instruct')
const found = base && instruct

/** An adapter folder with the start that all replays share. */
function startAdapter(): string {
  const folder = mkdtempSync(join(tmpdir(), 'qlora-start-'))
  cpSync(
    golden('sft_run', 'replay_f32', 'adapter', 'adapter_config.json'),
    join(folder, 'adapter_config.json'),
  )
  cpSync(golden('sft_run', 'init_adapter.safetensors'), join(folder, 'adapter_model.safetensors'))
  return folder
}

async function trainerFor(replay: Replay): Promise<SFTTrainer> {
  const quantization_config = new BitsAndBytesConfig({
    load_in_4bit: true,
    bnb_4bit_quant_type: 'nf4',
    bnb_4bit_compute_dtype: replay.compute,
    bnb_4bit_use_double_quant: replay.doubleQuant,
  })
  const model = await AutoModelForCausalLM.from_pretrained(base!, {
    quantization_config,
    device_map: { '': 0 },
  })
  const adapter = await PeftModel.from_pretrained(model, startAdapter(), {
    autocast_adapter_dtype: replay.adapter === 'float32',
  })
  const tokenizer = await AutoTokenizer.from_pretrained(base!)
  tokenizer.pad_token = tokenizer.eos_token
  const train_dataset =
    replay.data === 'instruct'
      ? await load_dataset(instruct!, { split: 'train[:200]' })
      : await load_dataset('json', { data_files: golden('sft_run', 'stories.jsonl'), split: 'train' })
  return new SFTTrainer({
    model: adapter,
    train_dataset,
    processing_class: tokenizer,
    args: new SFTConfig({
      output_dir: mkdtempSync(join(tmpdir(), 'qlora-replay-')),
      per_device_train_batch_size: 4,
      max_steps: 50,
      learning_rate: 2e-4,
      lr_scheduler_type: 'cosine',
      warmup_ratio: 0.03,
      weight_decay: 0.001,
      max_grad_norm: 0.3,
      optim: 'paged_adamw_32bit',
      bf16: false,
      gradient_checkpointing: false,
      train_sampling_strategy: 'sequential',
      max_length: 128,
      logging_steps: 1,
      save_strategy: 'no',
      disable_tqdm: true,
    }),
    display: { start: () => {}, step: () => {}, log: () => {}, end: () => {} },
  })
}

describe.each(Object.entries(replays))('%s', (name, replay) => {
  it.skipIf(!found)(
    titled('50 steps as TRL logs them', found, 'shared data (stories260k, instruct)'),
    async () => {
      const trainer = await trainerFor(replay)
      await trainer.train()
      const { steps } = goldenJson<GoldenLog>('sft_run', name, 'log.json')
      const rows = trainer.state.log_history.filter((row) => 'loss' in row)
      expect(rows.length).toBe(50)
      let total = 0
      for (const [i, row] of rows.entries()) {
        const reference = steps[i]!
        const step = `step ${i + 1}`
        total += Math.abs(row['loss']! - reference['loss']!)
        expect(Math.abs(row['loss']! - reference['loss']!), step).toBeLessThanOrEqual(replay.loss)
        expect(Math.abs(row['grad_norm']! / reference['grad_norm']! - 1), step).toBeLessThanOrEqual(
          replay.norm,
        )
        expect(Math.abs(row['learning_rate']! - reference['learning_rate']!), step).toBeLessThanOrEqual(
          1e-9 * reference['learning_rate']!,
        )
        expect(row['num_tokens'], step).toBe(reference['num_tokens'])
        expect(Math.abs(row['epoch']! - reference['epoch']!), step).toBeLessThanOrEqual(1e-9)
        if (name !== 'replay_f32') continue
        expect(Math.abs(row['entropy']! - reference['entropy']!), step).toBeLessThanOrEqual(1e-3)
        expect(
          Math.abs(row['mean_token_accuracy']! - reference['mean_token_accuracy']!),
          step,
        ).toBeLessThanOrEqual(2e-3)
      }
      expect(total / 50).toBeLessThanOrEqual(replay.meanLoss)
      if (name === 'replay_f32') {
        const final = await goldenTensors('sft_run', name, 'adapter', 'adapter_model.safetensors')
        for (const [key, parameter] of trainer.model.named_parameters()) {
          expect(
            shareWithin(await numbers(parameter.data), final.get(key)!.data, 2e-5),
            key,
          ).toBeGreaterThanOrEqual(0.999)
        }
      }
      trainer.dispose()
    },
  )
})
