import { type OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { flag, oneOf } from '../options/schemas'
import type { MergeOptions, ParsedMergeOptions } from './options.generated'

export type { MergeOptions } from './options.generated'

/**
 * Which weights of the base model an adapter is added to; also an option of `save_pretrained_merged` and
 * `save_pretrained_gguf`.
 */
export const baseWeights: Pick<OptionSet<ParsedMergeOptions>['options'], 'base_weights'> = {
  base_weights: {
    schema: oneOf('dequantized', 'original'),
    default: 'dequantized',
    doc: "The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.",
  },
}

/** The options of `merge_and_unload` and `merge_adapter`. */
export const mergeOptionSet: OptionSet<ParsedMergeOptions> = {
  owner: 'merge_adapter',
  options: {
    safe_merge: {
      schema: flag,
      default: false,
      doc: 'Check that every merged weight is finite before any layer is changed.',
    },
    ...baseWeights,
    dtype: {
      schema: oneOf('auto', 'float32', 'bfloat16', 'float16'),
      default: 'auto',
      doc: "Dtype of the merged layers; 'auto': unchanged, a 4-bit layer is quantized again. Any other makes them full layers (ours).",
    },
  },
  refused: {
    progressbar: { default: false, reason: 'merging takes seconds.' },
    adapter_names: { default: null, reason: 'a model has one adapter.' },
  },
}

/** @throws TypeError on an unknown name or a wrong value. */
export function mergeOptions(owner: string, options: MergeOptions): ParsedMergeOptions {
  return parseOptions({ ...mergeOptionSet, owner }, options)
}
