import type { Refused } from '../options/declaration'
import { type SpecialTokenName } from './special-tokens'

export interface EncodeOptions {
  /** Add the begin (and end) token according to the tokenizer's own rule. Default true. */
  add_special_tokens?: boolean
}

export interface CallOptions extends EncodeOptions {
  /** true or 'longest': to the longest text of the batch; 'max_length': to `max_length`. Default false. */
  padding?: boolean | 'longest' | 'max_length'
  /** Cut to `max_length` tokens, including the special tokens, which are kept. Default false. */
  truncation?: boolean
  /** Default: `model_max_length`, which is often unknown (no limit); it is safer to set this. */
  max_length?: number
  /** Round the padded length up to a multiple of this. */
  pad_to_multiple_of?: number
  /** Also return, for each token, its [start, end) in the text, in JavaScript string units. */
  return_offsets_mapping?: boolean
}

export interface DecodeOptions {
  skip_special_tokens?: boolean
  /** Only false is supported: transformers 5 ignores it for byte-pair tokenizers too, because it damages text. */
  clean_up_tokenization_spaces?: false
}

export interface ChatTemplateOptions {
  /** Return ids (default) or, when false, the rendered text. */
  tokenize?: boolean
  /** End with the text that begins the assistant's turn. Default false. */
  add_generation_prompt?: boolean
  /** A Jinja template that replaces the tokenizer's, or the name of one of its own. */
  chat_template?: string | null
  tools?: readonly unknown[] | null
  documents?: readonly unknown[] | null
  /** Default true, as in transformers 5: `{ input_ids, attention_mask }`; false: the ids alone. */
  return_dict?: boolean
  /**
   * Variables of the template from a data set's column. For one that the template does not use, a warning is
   * shown.
   */
  chat_template_kwargs?: Readonly<Record<string, unknown>> | null
  /** Further variables of the template (`enable_thinking`, ...). One that the template does not use is an error. */
  [variable: string]: unknown
}

export interface TokenizerSettings {
  special: Partial<Record<SpecialTokenName, string | null>>
  extraSpecialTokens: readonly string[]
  chat_template: string | Record<string, string> | null
  model_max_length: number
  padding_side: 'left' | 'right'
  truncation_side: 'left' | 'right'
  name_or_path: string
}

const arrays = 'ids come back as arrays of numbers; Tensor.from makes a tensor of them.'

/** Options of transformers' tokenizers that are not supported, with reasons. */
export const refusedInCall: Readonly<Record<string, Refused>> = {
  return_tensors: { default: null, reason: arrays },
  return_attention_mask: { default: null, neutral: [true], reason: 'the mask always comes along.' },
  return_token_type_ids: { default: null, neutral: [false], reason: 'decoder models have one kind of text.' },
  return_special_tokens_mask: { default: false, reason: 'compare ids with all_special_ids.' },
  return_overflowing_tokens: { default: false, reason: 'what is cut off is not returned.' },
  return_length: { default: false, reason: 'take the length of input_ids.' },
  stride: { default: 0, reason: 'what is cut off is not returned.' },
  is_split_into_words: { default: false, reason: 'give the text in one piece.' },
  padding_side: { default: null, reason: 'set tokenizer.padding_side.' },
  text_pair: { default: null, reason: 'decoder models read one text.' },
  verbose: { default: true, neutral: [false], reason: 'call logging.set_verbosity(...).' },
}
export const callNames: readonly (keyof CallOptions)[] = [
  'add_special_tokens',
  'padding',
  'truncation',
  'max_length',
  'pad_to_multiple_of',
  'return_offsets_mapping',
]
