// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.

/** The values of LoraConfig. */
export interface LoraOptions {
  /**
   * Rank of the update B A.
   *
   * Takes a whole number >= 1.
   * @default 8
   */
  r: number
  /**
   * Linear layers that get an adapter: ends of their names, a regular expression for the whole name, or 'all-linear' (all except the output head). null: q_proj and v_proj.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  target_modules: string | string[] | null
  /**
   * Layers that get no adapter although they match: ends of names, or a regular expression for the whole name.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  exclude_modules: string | string[] | null
  /**
   * The update is scaled by lora_alpha / r.
   *
   * Takes a number >= 0.
   * @default 8
   */
  lora_alpha: number
  /**
   * Share of the inputs of A set to zero while training; the rest is scaled up.
   *
   * Takes a number >= 0 and <= 1.
   * @default 0
   */
  lora_dropout: number
  /**
   * Which biases of the base model are trained too: none, all, or those of layers with an adapter.
   *
   * Takes one of 'none', 'all', 'lora_only'.
   * @default 'none'
   */
  bias: 'none' | 'all' | 'lora_only'
  /**
   * Scale by lora_alpha / sqrt(r) instead.
   *
   * Takes true or false.
   * @default false
   */
  use_rslora: boolean
  /**
   * Train the length of each weight row separately from its direction (DoRA).
   *
   * Takes true or false.
   * @default false
   */
  use_dora: boolean
  /**
   * Modules trained in full and saved with the adapter: lm_head, embed_tokens, or null for none. Where the head is the embedding (tie_word_embeddings), the one that trains becomes a copy.
   *
   * Takes a list, each a text that is not empty or null.
   * @default null
   */
  modules_to_save: string[] | null
  /**
   * Tokens whose rows of the embedding train, the others stay; a tied head is the embedding and has them too.
   *
   * Takes a list of token ids, lists by embed_tokens or lm_head, or null.
   * @default null
   */
  trainable_token_indices: number[] | Record<string, number[]> | null
  /**
   * Initialization of A and B: true: A uniform within sqrt(1 / inputs), B zero; 'gaussian': A normal with deviation 1/r, B zero; 'orthogonal', for an even r: neither is zero, and B A is (A's rows and B's columns from complementary halves of an orthogonal matrix); false: both uniform, so that the adapter changes the model from the start.
   *
   * Takes true, false, 'gaussian' or 'orthogonal' (the starts computed from weights or data, such as 'pissa', are not built).
   * @default true
   */
  init_lora_weights: boolean | 'gaussian' | 'orthogonal'
  /**
   * Only layers with these numbers get adapters. Not allowed with a regular expression.
   *
   * Takes a layer number, a list of layer numbers, or null.
   * @default null
   */
  layers_to_transform: number | number[] | null
  /**
   * Name of the list that layers_to_transform refers to, e.g. layers.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  layers_pattern: string | string[] | null
  /**
   * Ranks of layers that differ from r; the key is a regular expression for the end of the name.
   *
   * Takes an object with whole numbers >= 1 by name.
   * @default {}
   */
  rank_pattern: Record<string, number>
  /**
   * The same for lora_alpha.
   *
   * Takes an object with numbers by name.
   * @default {}
   */
  alpha_pattern: Record<string, number>
  /**
   * Kind of model under the adapter.
   *
   * Takes 'CAUSAL_LM' or null (other tasks are not built).
   * @default null
   */
  task_type: 'CAUSAL_LM' | null
  /**
   * Name of the base model; set when the adapter is saved.
   *
   * Takes a text or null.
   * @default null
   */
  base_model_name_or_path: string | null
  /**
   * Revision of the base model.
   *
   * Takes a text or null.
   * @default null
   */
  revision: string | null
  /**
   * Freeze the adapter. true in a saved file.
   *
   * Takes true or false.
   * @default false
   */
  inference_mode: boolean
  /**
   * Release of PEFT that defines the file.
   *
   * Takes a text.
   * @default '0.21.2'
   */
  peft_version: string
  /**
   * Kind of adapter.
   *
   * Takes one of 'LORA'.
   * @default 'LORA'
   */
  peft_type: 'LORA'
}

/** What LoraConfig takes. */
export interface LoraInit {
  /**
   * Rank of the update B A.
   *
   * Takes a whole number >= 1.
   * @default 8
   */
  r?: number
  /**
   * Linear layers that get an adapter: ends of their names, a regular expression for the whole name, or 'all-linear' (all except the output head). null: q_proj and v_proj.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  target_modules?: 'all-linear' | (string & {}) | string[] | null
  /**
   * Layers that get no adapter although they match: ends of names, or a regular expression for the whole name.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  exclude_modules?: string | string[] | null
  /**
   * The update is scaled by lora_alpha / r.
   *
   * Takes a number >= 0.
   * @default 8
   */
  lora_alpha?: number
  /**
   * Share of the inputs of A set to zero while training; the rest is scaled up.
   *
   * Takes a number >= 0 and <= 1.
   * @default 0
   */
  lora_dropout?: number
  /**
   * Which biases of the base model are trained too: none, all, or those of layers with an adapter.
   *
   * Takes one of 'none', 'all', 'lora_only'.
   * @default 'none'
   */
  bias?: 'none' | 'all' | 'lora_only'
  /**
   * Scale by lora_alpha / sqrt(r) instead.
   *
   * Takes true or false.
   * @default false
   */
  use_rslora?: boolean
  /**
   * Train the length of each weight row separately from its direction (DoRA).
   *
   * Takes true or false.
   * @default false
   */
  use_dora?: boolean
  /**
   * Modules trained in full and saved with the adapter: lm_head, embed_tokens, or null for none. Where the head is the embedding (tie_word_embeddings), the one that trains becomes a copy.
   *
   * Takes a list, each a text that is not empty or null.
   * @default null
   */
  modules_to_save?: string[] | null
  /**
   * Tokens whose rows of the embedding train, the others stay; a tied head is the embedding and has them too.
   *
   * Takes a list of token ids, lists by embed_tokens or lm_head, or null.
   * @default null
   */
  trainable_token_indices?: number[] | Record<string, number[]> | null
  /**
   * Initialization of A and B: true: A uniform within sqrt(1 / inputs), B zero; 'gaussian': A normal with deviation 1/r, B zero; 'orthogonal', for an even r: neither is zero, and B A is (A's rows and B's columns from complementary halves of an orthogonal matrix); false: both uniform, so that the adapter changes the model from the start.
   *
   * Takes true, false, 'gaussian' or 'orthogonal' (the starts computed from weights or data, such as 'pissa', are not built).
   * @default true
   */
  init_lora_weights?: boolean | 'gaussian' | 'orthogonal'
  /**
   * Only layers with these numbers get adapters. Not allowed with a regular expression.
   *
   * Takes a layer number, a list of layer numbers, or null.
   * @default null
   */
  layers_to_transform?: number | number[] | null
  /**
   * Name of the list that layers_to_transform refers to, e.g. layers.
   *
   * Takes a text, a list of texts, or null.
   * @default null
   */
  layers_pattern?: string | string[] | null
  /**
   * Ranks of layers that differ from r; the key is a regular expression for the end of the name.
   *
   * Takes an object with whole numbers >= 1 by name.
   * @default {}
   */
  rank_pattern?: Record<string, number>
  /**
   * The same for lora_alpha.
   *
   * Takes an object with numbers by name.
   * @default {}
   */
  alpha_pattern?: Record<string, number>
  /**
   * Kind of model under the adapter.
   *
   * Takes 'CAUSAL_LM' or null (other tasks are not built).
   * @default null
   */
  task_type?: 'CAUSAL_LM' | null
  /**
   * Name of the base model; set when the adapter is saved.
   *
   * Takes a text or null.
   * @default null
   */
  base_model_name_or_path?: string | null
  /**
   * Revision of the base model.
   *
   * Takes a text or null.
   * @default null
   */
  revision?: string | null
  /**
   * Freeze the adapter. true in a saved file.
   *
   * Takes true or false.
   * @default false
   */
  inference_mode?: boolean
  /**
   * Release of PEFT that defines the file.
   *
   * Takes a text.
   * @default '0.21.2'
   */
  peft_version?: string
  /**
   * Kind of adapter.
   *
   * Takes one of 'LORA'.
   * @default 'LORA'
   */
  peft_type?: 'LORA'
  /** @deprecated not supported: activated LoRA is not built. */
  alora_invocation_tokens?: null
  /** @deprecated not supported: routing among adapters is not built. */
  arrow_config?: null
  /** @deprecated not supported: it names Python classes, and no remote code is run. */
  auto_mapping?: null
  /** @deprecated not supported: the CorDA start is not built. */
  corda_config?: null
  /** @deprecated not supported: adapters on tied embedding and head are not tied together. */
  ensure_weight_tying?: false | null
  /** @deprecated not supported: the EVA start is not built. */
  eva_config?: null
  /** @deprecated not supported: every supported model stores linear weights output-first. */
  fan_in_fan_out?: false | null
  /** @deprecated not supported: KaSA is not built. */
  kasa_config?: null
  /** @deprecated not supported: layers cannot be repeated. */
  layer_replication?: null
  /** @deprecated not supported: the LoftQ start is not built. */
  loftq_config?: Record<string, never> | null
  /** @deprecated not supported: lora_B has no bias here. */
  lora_bias?: false | null
  /** @deprecated not supported: the LoRA-GA start is not built. */
  lora_ga_config?: null
  /** @deprecated not supported: there are no Megatron layers. */
  megatron_config?: null
  /** @deprecated not supported: there are no Megatron layers. */
  megatron_core?: 'megatron.core' | null
  /** @deprecated not supported: Monteclora is not built. */
  monteclora_config?: null
  /** @deprecated not supported: it belongs to QALoRA, which needs GPTQ weights. */
  qalora_group_size?: 16 | null
  /** @deprecated not supported: there is no device to offload to while starting. */
  runtime_config?: { ephemeral_gpu_offload: false } | null
  /** @deprecated not supported: adapters go on linear layers only. */
  target_parameters?: null
  /** @deprecated not supported: block-diagonal factors are not built. */
  use_bdlora?: null
  /** @deprecated not supported: it needs GPTQ weights. */
  use_qalora?: false | null
  /** @deprecated not supported: VeLoRA is not built. */
  velora_config?: null
}

/** The values of get_peft_model. */
export interface ParsedPeftOptions {
  /**
   * Keep the adapter in float32, whatever the model's dtype.
   *
   * Takes true or false.
   * @default true
   */
  autocast_adapter_dtype: boolean
  /**
   * Dtype of the adapter (ours); replaces autocast_adapter_dtype's choice.
   *
   * Takes one of 'float32', 'bfloat16', 'float16'.
   */
  dtype: 'float32' | 'bfloat16' | 'float16' | undefined
  /**
   * Name of the adapter, for set_adapter.
   *
   * Takes a text that is not empty.
   * @default 'default'
   */
  adapter_name: string
  /**
   * Seed of the adapter's random initialization (ours); null: that of set_seed, else 0.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  seed: number | null
}

/** What get_peft_model takes. */
export interface PeftOptions {
  /**
   * Keep the adapter in float32, whatever the model's dtype.
   *
   * Takes true or false.
   * @default true
   */
  autocast_adapter_dtype?: boolean
  /**
   * Dtype of the adapter (ours); replaces autocast_adapter_dtype's choice.
   *
   * Takes one of 'float32', 'bfloat16', 'float16'.
   */
  dtype?: 'float32' | 'bfloat16' | 'float16'
  /**
   * Name of the adapter, for set_adapter.
   *
   * Takes a text that is not empty.
   * @default 'default'
   */
  adapter_name?: string
  /**
   * Seed of the adapter's random initialization (ours); null: that of set_seed, else 0.
   *
   * Takes a whole number >= 0 or null.
   * @default null
   */
  seed?: number | null
  /** @deprecated not supported: there is one kind of adapter. */
  mixed?: false | null
}

/** The values of PeftModel.from_pretrained. */
export interface ParsedAdapterOptions {
  /**
   * Convert 16-bit adapters to float32.
   *
   * Takes true or false.
   * @default true
   */
  autocast_adapter_dtype: boolean
  /**
   * Name of the adapter, for set_adapter.
   *
   * Takes a text that is not empty.
   * @default 'default'
   */
  adapter_name: string
  /**
   * Branch, tag or commit of the hub repository; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision: string | null
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token: string | boolean | null
  /**
   * Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).
   *
   * Takes a text or null.
   * @default null
   */
  cache_dir: string | null
  /**
   * Never ask the hub: read the cache only. HF_HUB_OFFLINE=1 does the same for every call.
   *
   * Takes true or false.
   * @default false
   */
  local_files_only: boolean
  /**
   * Called while files are downloaded, with the bytes received and the total.
   *
   * Takes a function.
   */
  progress: ((state: { filename: string; received: number; total: number }) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What PeftModel.from_pretrained takes. */
export interface AdapterOptions {
  /**
   * Convert 16-bit adapters to float32.
   *
   * Takes true or false.
   * @default true
   */
  autocast_adapter_dtype?: boolean
  /**
   * Name of the adapter, for set_adapter.
   *
   * Takes a text that is not empty.
   * @default 'default'
   */
  adapter_name?: string
  /**
   * Branch, tag or commit of the hub repository; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision?: string | null
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token?: string | boolean | null
  /**
   * Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).
   *
   * Takes a text or null.
   * @default null
   */
  cache_dir?: string | null
  /**
   * Never ask the hub: read the cache only. HF_HUB_OFFLINE=1 does the same for every call.
   *
   * Takes true or false.
   * @default false
   */
  local_files_only?: boolean
  /**
   * Called while files are downloaded, with the bytes received and the total.
   *
   * Takes a function.
   */
  progress?: (state: { filename: string; received: number; total: number }) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: a loaded adapter can always be trained. */
  is_trainable?: false | true | null
}

/** The values of add_weighted_adapter. */
export interface ParsedWeightedOptions {
  /**
   * 'svd': the best adapter of rank svd_rank for the weighted sum of the updates; 'cat': exactly that sum, of all ranks together; 'linear': sums of A and of B, a rough one, of adapters of one rank.
   *
   * Takes one of 'svd', 'linear', 'cat'.
   * @default 'svd'
   */
  combination_type: 'svd' | 'linear' | 'cat'
  /**
   * Rank of 'svd'; null: the largest of the adapters.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  svd_rank: number | null
}

/** What add_weighted_adapter takes. */
export interface WeightedOptions {
  /**
   * 'svd': the best adapter of rank svd_rank for the weighted sum of the updates; 'cat': exactly that sum, of all ranks together; 'linear': sums of A and of B, a rough one, of adapters of one rank.
   *
   * Takes one of 'svd', 'linear', 'cat'.
   * @default 'svd'
   */
  combination_type?: 'svd' | 'linear' | 'cat'
  /**
   * Rank of 'svd'; null: the largest of the adapters.
   *
   * Takes a whole number >= 1 or null.
   * @default null
   */
  svd_rank?: number | null
  /** @deprecated not supported: it belongs to combination types that leave values out at random or by size, which are not built. */
  density?: null
  /** @deprecated not supported: it belongs to combination types that leave values out at random or by size, which are not built. */
  majority_sign_method?: 'total' | null
  /** @deprecated not supported: values are not clamped. */
  svd_clamp?: null
  /** @deprecated not supported: it changes no result. */
  svd_full_matrices?: true | false | null
  /** @deprecated not supported: there is one. */
  svd_driver?: null
}

/** The values of merge_adapter. */
export interface ParsedMergeOptions {
  /**
   * Check that every merged weight is finite before any layer is changed.
   *
   * Takes true or false.
   * @default false
   */
  safe_merge: boolean
  /**
   * The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.
   *
   * Takes one of 'dequantized', 'original'.
   * @default 'dequantized'
   */
  base_weights: 'dequantized' | 'original'
  /**
   * Dtype of the merged layers; 'auto': unchanged, a 4-bit layer is quantized again. Any other makes them full layers (ours).
   *
   * Takes one of 'auto', 'float32', 'bfloat16', 'float16'.
   * @default 'auto'
   */
  dtype: 'auto' | 'float32' | 'bfloat16' | 'float16'
}

/** What merge_adapter takes. */
export interface MergeOptions {
  /**
   * Check that every merged weight is finite before any layer is changed.
   *
   * Takes true or false.
   * @default false
   */
  safe_merge?: boolean
  /**
   * The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.
   *
   * Takes one of 'dequantized', 'original'.
   * @default 'dequantized'
   */
  base_weights?: 'dequantized' | 'original'
  /**
   * Dtype of the merged layers; 'auto': unchanged, a 4-bit layer is quantized again. Any other makes them full layers (ours).
   *
   * Takes one of 'auto', 'float32', 'bfloat16', 'float16'.
   * @default 'auto'
   */
  dtype?: 'auto' | 'float32' | 'bfloat16' | 'float16'
  /** @deprecated not supported: merging takes seconds. */
  progressbar?: false | null
  /** @deprecated not supported: a model has one adapter. */
  adapter_names?: null
}
