import { z } from 'zod'

import type { Option, OptionSet, Refused } from '../../options/declaration'
import { countOrNull, flag, oneOf, real } from '../../options/schemas'
import { trainingOptionSet } from '../arguments-options'
import type { DPOOptions, KTOOptions, ORPOOptions } from './options.generated'
import { sftOptionSet } from '../sft-options'
import type { DPOLossName } from './dpo-loss'

// Options that TRL's preference trainers share. Defaults and names are those of TRL 1.16.

const { label_smoothing_factor: _, ...training } = trainingOptionSet.options
const {
  bf16,
  gradient_checkpointing,
  logging_steps,
  dataset_num_proc,
  trust_remote_code,
  pad_to_multiple_of,
} = sftOptionSet.options

const shared = {
  ...training,
  bf16,
  gradient_checkpointing,
  logging_steps,
  learning_rate: { ...training.learning_rate, default: 1e-6 },
  dataset_num_proc,
  trust_remote_code,
  disable_dropout: {
    schema: flag,
    default: true,
    doc: "Turn the adapter's dropout off, in training and for the reference.",
  },
}

const maxLength: Option<number | null> = {
  schema: countOrNull(1),
  default: 1024,
  doc: 'Tokens that prompt and answer together are cut to, answers first; rows whose prompt alone fills it are left out. null: never.',
}

const beta = (doc: string): Option<number> => ({ schema: real({ above: 0 }), default: 0.1, doc })
const deviation = 'How strongly the model is held to the reference; higher: closer to it.'

const reference = {
  precompute_ref_log_probs: {
    schema: flag,
    default: false,
    doc: "Measure the reference's log-probabilities of all rows once, before the first step, in place of in each step.",
  },
  precompute_ref_batch_size: {
    schema: countOrNull(1),
    default: null,
    doc: 'Rows in a batch of that; null: per_device_train_batch_size, or for the evaluation set per_device_eval_batch_size.',
  },
}

const sync = 'the reference of an adapter does not move; TRL refuses it with adapters too.'
const gone = 'TRL 1 removed it'

const refusedOfAll: Readonly<Record<string, Refused>> = {
  label_smoothing_factor: {
    default: 0,
    reason: 'it smooths the labels of tokens, which this loss does not read.',
  },
  model_init_kwargs: {
    default: null,
    neutral: [{}],
    reason: 'load the model with from_pretrained and pass it.',
  },
  generate_during_eval: { default: false, reason: 'call model.generate in a callback with on_evaluate.' },
  max_prompt_length: {
    default: null,
    reason: `${gone}: prompts are not cut by themselves; filter the rows, or set max_length.`,
  },
}

const refusedWithReference: Readonly<Record<string, Refused>> = {
  activation_offloading: sftOptionSet.refused['activation_offloading']!,
  router_aux_loss_coef: { default: null, neutral: [0], reason: 'no supported model has experts.' },
  sync_ref_model: { default: false, reason: sync },
  ref_model_mixup_alpha: { default: 0.6, reason: sync },
  ref_model_sync_steps: { default: 512, reason: sync },
  max_completion_length: {
    default: null,
    reason: `${gone}: answers are not cut by themselves; set max_length.`,
  },
  reference_free: { default: false, reason: `${gone}; for a loss without a reference see ORPOConfig.` },
}

const dpoLosses = [
  ...(['sigmoid', 'hinge', 'ipo', 'robust', 'sigmoid_norm', 'apo_zero', 'apo_down', 'sft'] as const),
] as const satisfies readonly DPOLossName[]

export const dpoOptionSet: OptionSet<DPOOptions> = {
  owner: 'DPOConfig',
  options: {
    ...shared,
    ...reference,
    max_length: maxLength,
    truncation_mode: {
      schema: oneOf('keep_start', 'keep_end'),
      default: 'keep_start',
      doc: 'Which end of a sequence stays when it is cut. keep_end: the start of the prompt goes first.',
    },
    beta: beta(`${deviation} For 'ipo' the tau of its paper.`),
    loss_type: {
      schema: z.preprocess(
        (value) => (typeof value === 'string' ? [value] : value),
        z.array(z.enum(dpoLosses)).min(1),
      ),
      input: `${dpoLosses.map((name) => `'${name}'`).join(' | ')} | DPOOptions['loss_type']`,
      default: ['sigmoid'],
      doc: 'The loss, or several that are added up. sigmoid: DPO; hinge: SLiC; ipo: IPO, by means over tokens; robust: for labels that may be wrong, see label_smoothing; sigmoid_norm: sigmoid of means over tokens; apo_zero, apo_down: APO; sft: negative log-likelihood of the chosen answers.',
    },
    loss_weights: {
      schema: z.array(z.number()).min(1).nullable(),
      default: null,
      doc: 'A factor for each of loss_type; null: all 1.',
    },
    label_smoothing: {
      schema: real({ min: 0, below: 0.5 }),
      default: 0,
      doc: "For loss_type 'robust': the probability that chosen and rejected are interchanged. TRL reads it with no other of these losses; it is refused with them.",
    },
    padding_free: sftOptionSet.options.padding_free,
    pad_to_multiple_of,
  },
  refused: {
    ...trainingOptionSet.refused,
    ...refusedOfAll,
    ...refusedWithReference,
    discopop_tau: { default: 0.05, reason: "loss_type 'discopop' is not built." },
    f_alpha_divergence_coef: { default: 0.5, reason: 'only reverse_kl is built.' },
    f_divergence_type: { default: 'reverse_kl', reason: 'only reverse_kl is built.' },
    ld_alpha: { default: null, neutral: [1], reason: 'all tokens of an answer count alike.' },
    pad_token: { default: null, reason: 'set tokenizer.pad_token and pass the tokenizer.' },
    rpo_alpha: { default: null, reason: `${gone}: loss_type: ['sigmoid', 'sft'], loss_weights: [1, alpha].` },
    use_weighting: { default: false, reason: 'pairs count alike.' },
  },
}

export const orpoOptionSet: OptionSet<ORPOOptions> = {
  owner: 'ORPOConfig',
  options: {
    ...shared,
    max_length: {
      ...maxLength,
      doc: `${maxLength.doc.replace('null: never.', 'null: 512, with a warning.')}`,
    },
    beta: beta('Weight of the odds ratio in the loss, lambda in the paper.'),
  },
  refused: {
    ...trainingOptionSet.refused,
    ...refusedOfAll,
    is_encoder_decoder: { default: null, neutral: [false], reason: 'decoder models only.' },
    max_completion_length: { default: null, reason: 'it cuts answers of encoder-decoder models only.' },
    padding_value: { default: null, reason: 'rows are put together without padding here.' },
  },
}

export const ktoOptionSet: OptionSet<KTOOptions> = {
  owner: 'KTOConfig',
  options: {
    ...shared,
    ...reference,
    train_sampling_strategy: {
      ...training.train_sampling_strategy,
      default: 'sequential',
      doc: "Order of rows. Only apo_zero_unpaired takes another than 'sequential': the divergence is measured within fixed batches.",
    },
    max_length: maxLength,
    beta: beta(deviation),
    loss_type: {
      schema: oneOf('kto', 'apo_zero_unpaired'),
      default: 'kto',
      doc: 'kto; apo_zero_unpaired: without the divergence as the point that rewards are compared with.',
    },
    desirable_weight: {
      schema: real({ min: 0 }),
      default: 1,
      doc: 'Weight of rows whose label is true. To balance d desirable with u undesirable rows: d * desirable_weight between 1 and 4/3 times u * undesirable_weight.',
    },
    undesirable_weight: { schema: real({ min: 0 }), default: 1, doc: 'Weight of rows whose label is false.' },
    pad_to_multiple_of,
  },
  refused: { ...trainingOptionSet.refused, ...refusedOfAll, ...refusedWithReference },
}
