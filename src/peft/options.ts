import { z } from 'zod'

import type { OptionSet, Refused } from '../options/declaration'
import {
  count,
  flag,
  nameOrNames,
  names,
  numbersByName,
  oneOf,
  real,
  text,
  textOrNull,
} from '../options/schemas'
import type { LoraOptions } from './options.generated'

const tokenIds = z.array(z.int().min(0))

/** The PEFT release whose adapter_config.json ours equals, field by field. */
const PEFT_VERSION = '0.21.2'

// To support one of these, move its line to the options below. `reason` completes the sentence "... is not
// supported: ".
const refused: Readonly<Record<string, Refused>> = {
  alora_invocation_tokens: { default: null, reason: 'activated LoRA is not built.' },
  arrow_config: { default: null, reason: 'routing among adapters is not built.' },
  auto_mapping: { default: null, reason: 'it names Python classes, and no remote code is run.' },
  corda_config: { default: null, reason: 'the CorDA start is not built.' },
  ensure_weight_tying: {
    default: false,
    reason: 'adapters on tied embedding and head are not tied together.',
  },
  eva_config: { default: null, reason: 'the EVA start is not built.' },
  fan_in_fan_out: { default: false, reason: 'every supported model stores linear weights output-first.' },
  kasa_config: { default: null, reason: 'KaSA is not built.' },
  layer_replication: { default: null, reason: 'layers cannot be repeated.' },
  loftq_config: { default: {}, reason: 'the LoftQ start is not built.' },
  lora_bias: { default: false, reason: 'lora_B has no bias here.' },
  lora_ga_config: { default: null, reason: 'the LoRA-GA start is not built.' },
  megatron_config: { default: null, reason: 'there are no Megatron layers.' },
  megatron_core: { default: 'megatron.core', reason: 'there are no Megatron layers.' },
  monteclora_config: { default: null, reason: 'Monteclora is not built.' },
  qalora_group_size: { default: 16, reason: 'it belongs to QALoRA, which needs GPTQ weights.' },
  runtime_config: {
    default: { ephemeral_gpu_offload: false },
    reason: 'there is no device to offload to while starting.',
  },
  target_parameters: { default: null, reason: 'adapters go on linear layers only.' },
  use_bdlora: { default: null, reason: 'block-diagonal factors are not built.' },
  use_qalora: { default: false, reason: 'it needs GPTQ weights.' },
  velora_config: { default: null, reason: 'VeLoRA is not built.' },
}

export const loraOptionSet: OptionSet<LoraOptions> = {
  owner: 'LoraConfig',
  options: {
    r: { schema: count(1), default: 8, doc: 'Rank of the update B A.' },
    target_modules: {
      schema: nameOrNames,
      input: "'all-linear' | (string & {}) | string[] | null",
      default: null,
      doc: "Linear layers that get an adapter: ends of their names, a regular expression for the whole name, or 'all-linear' (all except the output head). null: q_proj and v_proj.",
    },
    exclude_modules: {
      schema: nameOrNames,
      default: null,
      doc: 'Layers that get no adapter although they match: ends of names, or a regular expression for the whole name.',
    },
    lora_alpha: { schema: real({ min: 0 }), default: 8, doc: 'The update is scaled by lora_alpha / r.' },
    lora_dropout: {
      schema: real({ min: 0, max: 1 }),
      default: 0,
      doc: 'Share of the inputs of A set to zero while training; the rest is scaled up.',
    },
    bias: {
      schema: oneOf('none', 'all', 'lora_only'),
      default: 'none',
      doc: 'Which biases of the base model are trained too: none, all, or those of layers with an adapter.',
    },
    use_rslora: { schema: flag, default: false, doc: 'Scale by lora_alpha / sqrt(r) instead.' },
    use_dora: {
      schema: flag,
      default: false,
      doc: 'Train the length of each weight row separately from its direction (DoRA).',
    },
    modules_to_save: {
      schema: names,
      default: null,
      doc: 'Modules trained in full and saved with the adapter: lm_head, embed_tokens, or null for none. Where the head is the embedding (tie_word_embeddings), the one that trains becomes a copy.',
    },
    trainable_token_indices: {
      schema: z
        .union([tokenIds, z.record(z.string(), tokenIds), z.null()])
        .describe('a list of token ids, lists by embed_tokens or lm_head, or null'),
      default: null,
      doc: 'Tokens whose rows of the embedding train, the others stay; a tied head is the embedding and has them too.',
    },
    init_lora_weights: {
      schema: z
        .union([z.boolean(), z.literal('gaussian'), z.literal('orthogonal')])
        .describe(
          "true, false, 'gaussian' or 'orthogonal' (the starts computed from weights or data, such as 'pissa', are not built)",
        ),
      default: true,
      doc: "Initialization of A and B: true: A uniform within sqrt(1 / inputs), B zero; 'gaussian': A normal with deviation 1/r, B zero; 'orthogonal', for an even r: neither is zero, and B A is (A's rows and B's columns from complementary halves of an orthogonal matrix); false: both uniform, so that the adapter changes the model from the start.",
    },
    layers_to_transform: {
      schema: z
        .union([z.int().min(0), z.array(z.int().min(0)), z.null()])
        .describe('a layer number, a list of layer numbers, or null'),
      default: null,
      doc: 'Only layers with these numbers get adapters. Not allowed with a regular expression.',
    },
    layers_pattern: {
      schema: nameOrNames,
      default: null,
      doc: 'Name of the list that layers_to_transform refers to, e.g. layers.',
    },
    rank_pattern: {
      schema: numbersByName('count'),
      default: {},
      doc: 'Ranks of layers that differ from r; the key is a regular expression for the end of the name.',
    },
    alpha_pattern: { schema: numbersByName('real'), default: {}, doc: 'The same for lora_alpha.' },
    task_type: {
      schema: z.literal('CAUSAL_LM').nullable().describe("'CAUSAL_LM' or null (other tasks are not built)"),
      default: null,
      doc: 'Kind of model under the adapter.',
    },
    base_model_name_or_path: {
      schema: textOrNull,
      default: null,
      doc: 'Name of the base model; set when the adapter is saved.',
    },
    revision: { schema: textOrNull, default: null, doc: 'Revision of the base model.' },
    inference_mode: { schema: flag, default: false, doc: 'Freeze the adapter. true in a saved file.' },
    peft_version: { schema: text, default: PEFT_VERSION, doc: 'Release of PEFT that defines the file.' },
    peft_type: { schema: oneOf('LORA'), default: 'LORA', doc: 'Kind of adapter.' },
  },
  refused,
}
