import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LoraConfig } from '../../src/peft/config'
import type { TrainerCallback } from '../../src/trainer/callbacks'
import type { SFTInit } from '../../src/trainer/arguments'
import type { SFTTrainer, SFTTrainerOptions } from '../../src/trainer/sft-trainer'
import type { LogRow, TrainOutput } from '../../src/trainer/state'
import { texts, tinyTrainer } from './tiny'

/** Two epochs and a half of 5 microbatches in windows of 2: the third window of an epoch is short. */
export const long: SFTInit = { max_steps: -1, num_train_epochs: 2.4, gradient_accumulation_steps: 2 }
export const dropping = (): LoraConfig =>
  new LoraConfig({ r: 4, lora_alpha: 8, lora_dropout: 0.2, target_modules: ['q_proj', 'v_proj'] })

/** A trainer, and what stops its runs after these steps. */
export async function stoppable(
  args: SFTInit = {},
  stops: number[] = [],
  options: Partial<SFTTrainerOptions> = {},
): Promise<{ trainer: SFTTrainer; train(): Promise<TrainOutput> }> {
  let controller = new AbortController()
  const stop: TrainerCallback = {
    on_step_end: (_, { global_step }) => void (stops.includes(global_step) && controller.abort()),
  }
  const trainer = await tinyTrainer(
    { ...long, ...args },
    {
      train_dataset: texts(10),
      eval_dataset: texts(3),
      peft_config: dropping(),
      ...options,
      callbacks: [stop, ...(options.callbacks ?? [])],
    },
  )
  return {
    trainer,
    train: () => {
      controller = new AbortController()
      return trainer.train({ signal: controller.signal })
    },
  }
}

/** The log without what depends on the clock, or on what else the process has in memory. */
export function figures(trainer: Pick<SFTTrainer, 'state'>): LogRow[] {
  const measured = /per_second|runtime|memory/
  return trainer.state.log_history.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([key]) => !measured.test(key))),
  )
}

export async function adapterBytes(trainer: Pick<SFTTrainer, 'model'>): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'resume-'))
  await trainer.model.save_pretrained(folder)
  return readFile(join(folder, 'adapter_model.safetensors'))
}
