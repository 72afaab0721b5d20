import type { OptionSet } from '../options/declaration'
import { TrainingArguments, type TrainingInit } from './arguments'
import type { TrainingOptions } from './arguments-options'
import { type RefusedSFTOption, type SFTOptions, sftOptionSet } from './sft-options'

/** What the constructor takes: everything of TrainingArguments, and the options of the text. */
export type SFTInit = Omit<TrainingInit, 'bf16'> &
  Partial<Omit<SFTOptions, keyof TrainingOptions | 'loss_type'>> & {
    /** null or absent: true unless fp16 is. */
    bf16?: boolean | null
    loss_type?: SFTOptions['loss_type'] | null
    /** Old spelling of max_length. */
    max_seq_length?: number | null
  } & { [name in RefusedSFTOption]?: unknown }

export interface SFTConfig extends Omit<SFTOptions, keyof TrainingOptions> {}

/**
 * TrainingArguments for SFTTrainer with TRL's defaults: bf16 and gradient checkpointing on, learning_rate 2e-5,
 * logging_steps 10, max_length 1024. `new SFTConfig({ ...args, max_length })` keeps all that a TrainingArguments says.
 */
export class SFTConfig extends TrainingArguments {
  static override readonly options: OptionSet<SFTOptions> = sftOptionSet

  constructor(init: SFTInit = {}) {
    super({ ...init, bf16: init.bf16 ?? init.fp16 !== true } as TrainingInit)
  }
}
