import type { SFTConfig } from './arguments'
import type { SFTTrainerOptions } from './options.generated'
import { sftTask } from './sft-task'
import { Trainer } from './trainer'
import { trainerOptions } from './trainer-options'

export type { SFTTrainerOptions, TrainOptions } from './options.generated'

/**
 * Supervised fine-tuning with an adapter, with the names of TRL's SFTTrainer. The names of its 2024 releases
 * (dataset_text_field, max_seq_length, tokenizer, packing) are accepted too.
 */
export class SFTTrainer extends Trainer {
  declare readonly args: SFTConfig

  /** @throws TypeError on an unknown or contradictory option; Error when the model has no adapter and no peft_config is given. */
  constructor(given: SFTTrainerOptions) {
    const options = trainerOptions(given)
    super(options, 'SFTTrainer', (subject) => sftTask(subject, options))
  }
}
