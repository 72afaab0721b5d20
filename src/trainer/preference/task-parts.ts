import type { CausalLM } from '../../models/causal-lm'
import { PeftModel } from '../../peft/model'
import type { FloatDType } from '../../tensor/dtype'
import type { TrainingArguments } from '../arguments'

// Small functions that the preference trainers' tasks share.

export const hadAdapter = (model: string | CausalLM | PeftModel): boolean => model instanceof PeftModel

export const autocastOf = ({ bf16 }: TrainingArguments): FloatDType | undefined =>
  bf16 ? 'bfloat16' : undefined

/** The name of a loss in a checkpoint, which distinguishes those of different trainers. */
export const lossName = (method: string, loss_type: string): string => `${method} ${loss_type}`
