import { z } from 'zod'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { optionalFunction, optionalObject, type Progress, signal } from '../options/call'
import type { Option, OptionSet } from '../options/declaration'
import { hubSettings } from '../options/hub'
import { flag, oneOf, text, textOrNull } from '../options/schemas'
import { bitsAndBytesOrNull } from '../models/pretrained-options'
import { baseWeights } from '../peft/merge-options'
import { ggufMethods } from './gguf-methods'
import type {
  ParsedGgufOptions,
  ParsedMergedOptions,
  ParsedPushOptions,
  ParsedSaveOptions,
} from './options.generated'

export type { GgufOptions, MergedOptions, PushOptions, SaveOptions } from './options.generated'

const shardSize: Option<number | string> = {
  schema: z
    .union([z.int().positive(), z.string().min(1)])
    .describe("a number of bytes or a size such as '5GB'"),
  default: '50GB',
  doc: "The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.",
}

const progress = optionalFunction<Progress>(
  '(done: number, total: number) => void',
  'Called with the bytes written and the total.',
)

const oneProcess = 'there is one process.'
const savingRefused = {
  safe_serialization: { default: true, reason: 'weights are written as safetensors only.' },
  state_dict: { default: null, reason: "the model's own weights are written." },
  is_main_process: { default: true, reason: oneProcess },
  variant: { default: null, reason: 'the files have their usual names.' },
}

/** The options of `model.save_pretrained`. */
export const saveOptionSet: OptionSet<ParsedSaveOptions> = {
  owner: 'save_pretrained',
  options: {
    max_shard_size: shardSize,
    tokenizer: optionalObject<PreTrainedTokenizer | undefined>(
      'PreTrainedTokenizer',
      'a tokenizer',
      (value) => typeof (value as PreTrainedTokenizer | null)?.save_pretrained === 'function',
      'Saved with the weights, including its chat template (ours).',
    ),
    progress,
    signal,
  },
  refused: {
    ...savingRefused,
    push_to_hub: { default: false, reason: 'call push_to_hub.' },
    token: { default: null, reason: 'nothing is asked of the hub; it belongs to push_to_hub.' },
  },
}

/** The options of `save_pretrained_merged`, with Unsloth's names. */
export const mergedOptionSet: OptionSet<ParsedMergedOptions> = {
  owner: 'save_pretrained_merged',
  options: {
    save_method: {
      schema: oneOf('merged_16bit', 'merged_4bit', 'lora'),
      default: 'merged_16bit',
      doc: "'merged_16bit': one model in a float dtype; 'merged_4bit': its linear layers in bitsandbytes' 4 bits; 'lora': only the adapter.",
    },
    ...baseWeights,
    dtype: {
      schema: oneOf('auto', 'float32', 'bfloat16', 'float16'),
      default: 'auto',
      doc: "Dtype of what is not 4-bit; 'auto': the model's own (ours).",
    },
    quantization_config: {
      schema: bitsAndBytesOrNull,
      default: null,
      type: 'BitsAndBytesConfig | null',
      doc: "How 'merged_4bit' quantizes; null: like the model, or nf4 with double quantization if the model is not quantized (ours).",
    },
    max_shard_size: shardSize,
    progress,
    signal,
  },
  refused: savingRefused,
}

const methodNames = Object.keys(ggufMethods)

/** The options of `save_pretrained_gguf`, with Unsloth's names. */
export const ggufOptionSet: OptionSet<ParsedGgufOptions> = {
  owner: 'save_pretrained_gguf',
  options: {
    quantization_method: {
      schema: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
        .describe(`one of ${methodNames.join(', ')}, or a list of them`),
      default: 'Q8_0',
      input: 'string | readonly string[]',
      doc: `Element type, a file for each: ${methodNames.join(', ')}; for only an adapter F32, F16 or BF16.`,
    },
    save_method: {
      schema: oneOf('merged', 'lora'),
      default: 'merged',
      doc: "'merged': a whole model; 'lora': the adapter alone, for llama.cpp's --lora and Ollama's ADAPTER (ours).",
    },
    ...baseWeights,
    modelfile: {
      schema: flag,
      default: true,
      doc: "Also write Ollama's Modelfile, with template and stops, for the first file (ours).",
    },
    progress,
    signal,
  },
  refused: {
    maximum_memory_usage: { default: 0.85, reason: 'tensors are written a slice at a time.' },
    push_to_hub: { default: false, reason: 'call push_to_hub.' },
  },
}

/** The options of every `push_to_hub`. */
export const pushOptionSet: OptionSet<ParsedPushOptions> = {
  owner: 'push_to_hub',
  options: {
    commit_message: { schema: text, default: 'Upload with qlora', doc: 'First line of the commit.' },
    commit_description: { schema: text, default: '', doc: 'The rest of the commit message.' },
    private: {
      schema: flag,
      default: true,
      doc: 'Whether a new repository is private. An existing one is not changed.',
    },
    token: hubSettings.token,
    revision: { schema: textOrNull, default: null, doc: 'Branch to commit to; null: main.' },
    create_pr: { schema: flag, default: false, doc: 'Open a pull request in place of a commit.' },
    max_shard_size: shardSize,
    tokenizer: saveOptionSet.options.tokenizer,
    progress: optionalFunction<(path: string, done: number) => void>(
      '(path: string, done: number) => void',
      'Called with a file and its uploaded share, 0 to 1.',
    ),
    signal,
  },
  refused: {
    tags: { default: null, reason: "write them into the README.md's head." },
    blocking: { default: true, reason: 'it returns a promise.' },
  },
}
