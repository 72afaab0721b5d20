import type { Refused } from '../options/declaration'
import { type SpecialTokenName } from './special-tokens'

export interface EncodeOptions {
  /** Add the begin (and end) token as the tokenizer's own rule says. Default true. */
  add_special_tokens?: boolean
}

export interface CallOptions extends EncodeOptions {
  /** true or 'longest': to the longest of the batch; 'max_length': to `max_length`. Default false. */
  padding?: boolean | 'longest' | 'max_length'
  /** Cut to `max_length` tokens, special tokens included and kept. Default false. */
  truncation?: boolean
  /** Default: `model_max_length`, which is often absent (no limit); say it rather than rely on it. */
  max_length?: number
  /** Round the padded length up to a multiple of this. */
  pad_to_multiple_of?: number
  /** Also return, per token, its [start, end) in the text, in JavaScript string units. */
  return_offsets_mapping?: boolean
}

export interface DecodeOptions {
  skip_special_tokens?: boolean
  /** Only false: transformers 5 ignores it for byte-pair tokenizers too, because it corrupts text. */
  clean_up_tokenization_spaces?: false
}

export interface ChatTemplateOptions {
  /** Return ids (default) or, when false, the rendered text. */
  tokenize?: boolean
  /** End with the marks that open the assistant's turn. Default false. */
  add_generation_prompt?: boolean
  /** A Jinja template to use in place of the tokenizer's, or the name of one of its own. */
  chat_template?: string | null
  tools?: readonly unknown[] | null
  documents?: readonly unknown[] | null
  /** Default true, as in transformers 5: `{ input_ids, attention_mask }`; false: the ids alone. */
  return_dict?: boolean
  /** Variables of the template as a data set's column gives them; one that the template does not mention is warned of. */
  chat_template_kwargs?: Readonly<Record<string, unknown>> | null
  /** Further variables of the template (`enable_thinking`, ...). A name that the template does not mention throws. */
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

/** What transformers' tokenizers take besides, and why it is not here. */
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
