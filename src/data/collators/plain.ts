import { checkNames } from '../../options/parse'
import type { PreTrainedTokenizer } from '../tokenizer'

export interface PlainCollatorOptions {
  tokenizer?: PreTrainedTokenizer
  /** Accepted; rows are never padded. */
  padding?: unknown
  max_length?: number | null
  pad_to_multiple_of?: number | null
  return_tensors?: string
  label_pad_token_id?: number
  /** Accepted by DataCollatorForSeq2Seq, which needs it for encoder-decoder models. */
  model?: unknown
  /** Only false is supported. */
  mlm?: false
}

const known: readonly (keyof PlainCollatorOptions)[] = [
  'tokenizer',
  'padding',
  'max_length',
  'pad_to_multiple_of',
  'return_tensors',
  'label_pad_token_id',
  'model',
  'mlm',
]

/** A collator that only joins and pads rows. Here rows are joined without padding, so it leaves them unchanged. */
class PlainCollator {
  /** @throws TypeError on an unknown option, and on mlm: true. */
  constructor(options: PlainCollatorOptions = {}) {
    checkNames(new.target.name, options, known)
    if (options.mlm)
      throw new TypeError(`[${new.target.name}] mlm = true is not supported: decoders learn what follows`)
  }
}

/** The labels are the ids, which is the trainer's default. */
export class DataCollatorForLanguageModeling extends PlainCollator {}
/** The labels are those of the rows. */
export class DataCollatorForSeq2Seq extends PlainCollator {}
export class DataCollatorWithPadding extends PlainCollator {}

export const isPlainCollator = (value: unknown): boolean => value instanceof PlainCollator
