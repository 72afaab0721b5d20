import { z } from 'zod'

import { type OptionSet, type Refused, renamed, type Schema } from '../options/declaration'
import { countOrNull, flag, flagOrNull, oneOf, text, textOrNull } from '../options/schemas'
import type { DatasetKwargs } from '../data/row-text'
import { trainingOptionSet } from './arguments-options'
import type { SFTOptions } from './options.generated'

// To support one, move it to the options below. `reason` ends the sentence "... is not supported: ".
const refused: Readonly<Record<string, Refused>> = {
  activation_offloading: { default: false, reason: 'activations are in host memory already.' },
  chat_template_path: { default: null, reason: 'set tokenizer.chat_template and pass the tokenizer.' },
  router_aux_loss_coef: { default: 0.001, neutral: [0], reason: 'no supported model has experts.' },
}

const base = trainingOptionSet.options

const datasetKwargs = z
  .strictObject({
    add_special_tokens: z.boolean(),
    append_concat_token: z.boolean(),
    skip_prepare_dataset: z.boolean(),
  })
  .partial()
  .nullable()
  .describe(
    'an object with add_special_tokens, append_concat_token or skip_prepare_dataset, or null',
  ) as unknown as Schema<DatasetKwargs | null>

/** SFTConfig: TrainingArguments with other defaults, and what concerns the text, as in TRL 1.10. */
export const sftOptionSet: OptionSet<SFTOptions> = {
  owner: 'SFTConfig',
  options: {
    ...base,
    learning_rate: { ...base.learning_rate, default: 2e-5 },
    logging_steps: { ...base.logging_steps, default: 10 },
    gradient_checkpointing: { ...base.gradient_checkpointing, default: true },
    bf16: {
      ...base.bf16,
      schema: z.preprocess((value) => value ?? true, z.boolean()),
      input: 'boolean | null',
      default: true,
      doc: `${base.bf16.doc} null: true.`,
    },
    dataset_text_field: { schema: text, default: 'text', doc: 'Column that holds the text.' },
    max_length: {
      schema: countOrNull(1),
      default: 1024,
      doc: 'The longest row in tokens; longer rows are cut. null: no limit.',
      aliases: { max_seq_length: renamed },
    },
    truncation_mode: {
      schema: oneOf('keep_start'),
      default: 'keep_start',
      doc: 'Which end of a long row is kept.',
    },
    loss_type: {
      schema: z.preprocess((value) => value ?? 'chunked_nll', z.enum(['nll', 'chunked_nll', 'dft'])),
      input: "'nll' | 'chunked_nll' | 'dft' | null",
      default: 'chunked_nll',
      doc: 'nll, chunked_nll: mean negative log-likelihood of the tokens, the same number, since logits are never held whole. dft: the loss of each token times its probability, which is a constant for the gradient.',
    },
    packing: { schema: flag, default: false, doc: 'Fill rows of max_length tokens with several texts.' },
    packing_strategy: {
      schema: oneOf('bfd', 'bfd_split', 'wrapped'),
      default: 'bfd',
      doc: 'bfd: best fit, longer texts cut; bfd_split: best fit, longer texts split; wrapped: one stream cut every max_length tokens.',
    },
    eval_packing: {
      schema: flagOrNull,
      default: null,
      doc: 'packing for the evaluation set; null: the same.',
    },
    completion_only_loss: {
      schema: flagOrNull,
      default: null,
      doc: 'Loss on the completion only; null: when the data set has prompt and completion columns.',
    },
    assistant_only_loss: {
      schema: flag,
      default: false,
      doc: 'Loss only on the assistant turns of a conversation.',
    },
    padding_free: {
      schema: flag,
      default: false,
      doc: 'Rows are always concatenated without padding, so both values have the same result.',
    },
    pad_to_multiple_of: {
      schema: countOrNull(1),
      default: null,
      doc: 'There is no padding to round up, so every value has the same result.',
    },
    dataset_num_proc: {
      schema: countOrNull(1),
      default: null,
      doc: 'Accepted; rows are tokenized in one process.',
    },
    trust_remote_code: {
      schema: flag,
      default: false,
      inert: true,
      doc: 'Code from the hub is never run.',
    },
    dataset_kwargs: {
      schema: datasetKwargs,
      type: 'DatasetKwargs | null',
      default: null,
      doc: 'add_special_tokens false: raw texts get no special tokens of the tokenizer; append_concat_token false: no end token either; skip_prepare_dataset: rows already have input_ids.',
    },
    eos_token: {
      schema: textOrNull,
      default: null,
      doc: "Sets the tokenizer's end token, which must be in the vocabulary. null: unchanged.",
    },
    pad_token: { schema: textOrNull, default: null, doc: 'The same for the padding token.' },
    shuffle_dataset: {
      schema: flag,
      default: false,
      doc: 'Shuffle the rows by seed before they are tokenized and packed.',
    },
    model_init_kwargs: {
      schema: z.record(z.string(), z.unknown()).nullable().describe('an object or null'),
      type: 'PretrainedOptions | null',
      default: null,
      doc: 'Options of from_pretrained, if the model is given by name.',
    },
  },
  refused: { ...trainingOptionSet.refused, ...refused },
}
