import type { CausalLM } from '../../models/causal-lm'
import { PeftModel } from '../../peft/model'
import type { FloatDType } from '../../tensor/dtype'
import type { TrainingArguments } from '../arguments'

// Small pieces of the preference trainers' tasks.

export const hadAdapter = (model: string | CausalLM | PeftModel): boolean => model instanceof PeftModel

export const autocastOf = ({ bf16 }: TrainingArguments): FloatDType | undefined =>
  bf16 ? 'bfloat16' : undefined

/** How a checkpoint tells the losses of different trainers apart. */
export const lossName = (method: string, loss_type: string): string => `${method} ${loss_type}`
