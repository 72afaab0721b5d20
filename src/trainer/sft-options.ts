import { z } from 'zod'

import { type OptionSet, type Refused, renamed } from '../options/declaration'
import { countOrNull, flag, flagOrNull, oneOf, text } from '../options/schemas'
import { trainingOptionSet } from './arguments-options'
import type { SFTOptions } from './options.generated'

// To support one, move it to the options below. `reason` ends the sentence "... is not supported: ".
const refused: Readonly<Record<string, Refused>> = {
  activation_offloading: { default: false, reason: 'activations are in host memory already.' },
  chat_template_path: { default: null, reason: 'set tokenizer.chat_template and pass the tokenizer.' },
  dataset_kwargs: { default: null, neutral: [{}], reason: 'rows are always prepared here.' },
  eos_token: { default: null, reason: 'set tokenizer.eos_token and pass the tokenizer.' },
  model_init_kwargs: {
    default: null,
    neutral: [{}],
    reason: 'load the model with from_pretrained and pass it.',
  },
  pad_token: { default: null, reason: 'set tokenizer.pad_token and pass the tokenizer.' },
  router_aux_loss_coef: { default: 0.001, neutral: [0], reason: 'no supported model has experts.' },
  shuffle_dataset: {
    default: false,
    reason: 'call dataset.shuffle({ seed }); the order of training is random anyway.',
  },
}

const base = trainingOptionSet.options

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
      doc: 'Rows are cut to so many tokens; null: never.',
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
      doc: 'nll, chunked_nll: mean negative log-likelihood of the tokens, the same number, since logits are never held whole. dft: each token times its probability, which is not derived.',
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
      doc: 'Loss only on what the assistant says in a conversation.',
    },
    padding_free: {
      schema: flag,
      default: false,
      doc: 'Rows are always concatenated without padding: both values are met.',
    },
    pad_to_multiple_of: {
      schema: countOrNull(1),
      default: null,
      doc: 'There is no padding to round up: every value is met.',
    },
    dataset_num_proc: {
      schema: countOrNull(1),
      default: null,
      doc: 'Accepted; rows are tokenized in one process.',
    },
    trust_remote_code: { schema: flag, default: false, doc: 'Accepted; no code from the hub is ever run.' },
  },
  refused: { ...trainingOptionSet.refused, ...refused },
}
