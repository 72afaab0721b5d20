import { generateOptionSet } from '../generation/options'
import { HelpRequested, HfArgumentParser } from '../options/argument-parser'
import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { flag, text, textOrNull } from '../options/schemas'
import type { DeclaredClass } from '../options/user-class'

/** The arguments of a command: the model's folder, and options by name. */
export interface CommandLine {
  folder: string
  given: Record<string, unknown>[]
}

export interface LoadArguments {
  dtype: string
  device_map: string
  load_in_4bit: boolean
  gguf_file: string | null
  revision: string | null
}

/** Options for loading the model. */
export const loadSet: OptionSet<LoadArguments> = {
  owner: 'loading',
  options: {
    dtype: {
      schema: text,
      default: 'auto',
      doc: "Dtype of what is not quantized; 'auto': the checkpoint's own.",
    },
    device_map: { schema: text, default: 'auto', doc: "'auto': a GPU where there is one; 'cpu', 'cuda:0'." },
    load_in_4bit: {
      schema: flag,
      default: false,
      doc: 'Quantize the linear layers to NF4 as they are read.',
    },
    gguf_file: {
      schema: textOrNull,
      default: null,
      doc: 'A GGUF file of the folder, with its tokenizer; of an adapter: of its base model.',
    },
    revision: { schema: textOrNull, default: null, doc: 'Branch, tag or commit of a hub repository.' },
  },
  refused: {},
}

/** Options of `generate` that are objects of a program, or give more than one text. */
const notOnCommandLine = new Set([
  ...['signal', 'streamer', 'tokenizer', 'past_key_values', 'generation_config', 'stopping_criteria'],
  ...[
    'logits_processor',
    'prefix_allowed_tokens_fn',
    'negative_prompt_ids',
    'negative_prompt_attention_mask',
  ],
  ...['return_dict_in_generate', 'output_scores', 'output_logits', 'num_beams', 'num_return_sequences'],
  ...['length_penalty', 'early_stopping', 'pad_token_id', 'cache_implementation', 'max_cache_len'],
  ...['disable_compile', 'use_cache', 'prefill_chunk_size'],
])

/** The options of `generate` that a command accepts. */
export const generationSet: OptionSet<object> = {
  owner: 'generation',
  options: Object.fromEntries(
    Object.entries(generateOptionSet.options).filter(([name]) => !notOnCommandLine.has(name)),
  ) as OptionSet<object>['options'],
  refused: {},
}

/** Parses `FOLDER --name value ...`. @throws HelpRequested on --help; TypeError on an unknown option. */
export function readCommand(
  usage: string,
  args: readonly string[],
  sets: readonly OptionSet<object>[],
): CommandLine {
  const [folder, ...rest] = args
  const parser = new HfArgumentParser(sets.map(givenOnly))
  if (folder === undefined || folder === '-h' || folder === '--help')
    throw new HelpRequested(`usage: ${usage}\n\n${parser.format_help()}`)
  if (folder.startsWith('--')) throw new TypeError(`the model comes first: ${usage}`)
  const given = parser.parse_args_into_dataclasses(rest)
  return { folder, given: given as unknown as Record<string, unknown>[] }
}

/**
 * An arguments class that contains only the given options, since defaults must not override a model's own
 * settings.
 */
function givenOnly(options: OptionSet<object>): DeclaredClass {
  return class {
    static readonly options: OptionSet<object> = options

    constructor(init: never) {
      parseOptions(options, init)
      Object.assign(this, init)
    }
  }
}
