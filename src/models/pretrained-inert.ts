import { z } from 'zod'

import type { Option, Schema } from '../options/declaration'
import { flag, flagOrNull, textOrNull } from '../options/schemas'
import type { ParsedPretrainedOptions } from './options.generated'

const wholeModel = 'Not needed: the whole model is on one device.'

const inert = <T>(schema: Schema<T>, value: T, doc: string): Option<T> => ({
  schema,
  default: value,
  inert: true,
  doc,
})

type MaxMemory = Record<string, number | string> | null

type InertName =
  | 'attn_implementation'
  | 'low_cpu_mem_usage'
  | 'max_memory'
  | 'offload_folder'
  | 'return_dict'
  | 'trust_remote_code'
  | 'use_cache'
  | 'use_safetensors'

/** Options of models' `from_pretrained` that are accepted and have no effect. */
export const inertPretrainedOptions: { readonly [K in InertName]: Option<ParsedPretrainedOptions[K]> } = {
  attn_implementation: inert(
    textOrNull,
    null,
    'Not needed: there is one implementation of attention, which never holds a whole matrix of scores.',
  ),
  low_cpu_mem_usage: inert(flagOrNull, null, 'Not needed: tensors are always loaded one at a time.'),
  max_memory: {
    ...inert<MaxMemory>(
      z
        .record(z.string(), z.union([z.number(), z.string()]))
        .nullable()
        .describe('an object with the memory of each device, or null'),
      null,
      `${wholeModel} SFTConfig's memory bounds a run.`,
    ),
    type: 'Record<string, number | string> | null',
  },
  offload_folder: inert(textOrNull, null, wholeModel),
  return_dict: inert(flag, true, 'Not needed: forward always gives names to what it returns.'),
  trust_remote_code: inert(flag, false, 'No code of a repository is ever run.'),
  use_cache: inert(
    flag,
    true,
    'Not needed: training never keeps keys and values; generate takes an option of this name.',
  ),
  use_safetensors: inert(flagOrNull, null, 'Not needed: safetensors are always read.'),
}
