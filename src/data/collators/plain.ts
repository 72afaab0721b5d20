import { checkNames } from '../../options/parse'
import type { PreTrainedTokenizer } from '../tokenizer'

export interface PlainCollatorOptions {
  tokenizer?: PreTrainedTokenizer
  /** Accepted; there is no padding. */
  padding?: unknown
  max_length?: number | null
  pad_to_multiple_of?: number | null
  return_tensors?: string
  label_pad_token_id?: number
  /** Accepted by DataCollatorForSeq2Seq, which prepares inputs of decoders of pairs. */
  model?: unknown
  /** Only false. */
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

/** A collator that only puts rows together and pads them, which is done without padding here: rows stay as they are. */
class PlainCollator {
  /** @throws TypeError on an unknown option, and on mlm: true. */
  constructor(options: PlainCollatorOptions = {}) {
    checkNames(new.target.name, options, known)
    if (options.mlm)
      throw new TypeError(`[${new.target.name}] mlm = true is not supported: decoders learn what follows`)
  }
}

/** Labels are the ids themselves, as the trainer makes them. */
export class DataCollatorForLanguageModeling extends PlainCollator {}
/** Labels come with the rows. */
export class DataCollatorForSeq2Seq extends PlainCollator {}
export class DataCollatorWithPadding extends PlainCollator {}

export const isPlainCollator = (value: unknown): boolean => value instanceof PlainCollator
