import { logger } from '../../logging'
import type { OptionSet } from '../../options/declaration'
import { TrainingArguments } from '../arguments'
import type { TrainingInit, TrainingOptions } from '../options.generated'
import { dpoOptionSet, ktoOptionSet, orpoOptionSet } from './options'
import type { DPOInit, DPOOptions, KTOInit, KTOOptions, ORPOInit, ORPOOptions } from './options.generated'

/** The length to which ORPOTrainer cuts rows if max_length is null, as in TRL. */
const ORPO_MAX_LENGTH = 512

export interface DPOConfig extends Omit<DPOOptions, keyof TrainingOptions> {}

/**
 * TrainingArguments for DPOTrainer with TRL's defaults: beta 0.1, learning_rate 1e-6, logging_steps 10, bf16
 * and gradient checkpointing on.
 * @throws TypeError also for a label_smoothing that no loss uses, and for loss_weights whose number is not that
 * of the losses.
 */
export class DPOConfig extends TrainingArguments {
  static override readonly options: OptionSet<TrainingOptions> = dpoOptionSet as never

  constructor(init: DPOInit = {}) {
    super(init as TrainingInit)
    const { loss_type, loss_weights, label_smoothing } = this
    if (loss_weights && loss_weights.length !== loss_type.length)
      throw new TypeError(
        `[DPOConfig] loss_weights has ${loss_weights.length} numbers; expected ${loss_type.length}, one for each of loss_type`,
      )
    if (label_smoothing > 0 && !loss_type.includes('robust'))
      throw new TypeError(
        `[DPOConfig] label_smoothing = ${label_smoothing} has no meaning with loss_type ${loss_type.map((name) => `'${name}'`).join(', ')}: TRL reads it with 'robust' only`,
      )
  }
}

export interface ORPOConfig extends Omit<ORPOOptions, keyof TrainingOptions> {}

/** TrainingArguments for ORPOTrainer with TRL's defaults: beta 0.1, learning_rate 1e-6, logging_steps 10, bf16 and gradient checkpointing on. */
export class ORPOConfig extends TrainingArguments {
  static override readonly options: OptionSet<TrainingOptions> = orpoOptionSet as never

  constructor(init: ORPOInit = {}) {
    super(init as TrainingInit)
    if (this.max_length !== null) return
    logger.warning(
      `[ORPOConfig] max_length is null: rows are cut at ${ORPO_MAX_LENGTH} tokens, as trl does; give a number to choose`,
    )
    this.max_length = ORPO_MAX_LENGTH
  }
}

export interface KTOConfig extends Omit<KTOOptions, keyof TrainingOptions> {}

/**
 * TrainingArguments for KTOTrainer with TRL's defaults: beta 0.1, learning_rate 1e-6, logging_steps 10, rows in
 * order, bf16 and gradient checkpointing on.
 * @throws TypeError also, for loss_type 'kto', for another order of rows and for batches of one row.
 */
export class KTOConfig extends TrainingArguments {
  static override readonly options: OptionSet<TrainingOptions> = ktoOptionSet as never

  constructor(init: KTOInit = {}) {
    super(init as TrainingInit)
    if (this.loss_type !== 'kto') return
    if (this.train_sampling_strategy !== 'sequential')
      throw new TypeError(
        `[KTOConfig] train_sampling_strategy is '${this.train_sampling_strategy}'; loss_type 'kto' needs 'sequential': it measures the divergence within fixed batches. Shuffle the data set`,
      )
    if (this.per_device_train_batch_size < 2)
      throw new TypeError(
        "[KTOConfig] per_device_train_batch_size is 1; loss_type 'kto' needs 2 or more: it measures the divergence with the answers of other rows of the batch",
      )
  }
}
