// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { BitsAndBytesConfig } from '../quantization/config'

/** The values of save_pretrained. */
export interface ParsedSaveOptions {
  /**
   * The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.
   *
   * Takes a number of bytes or a size such as '5GB'.
   * @default '50GB'
   */
  max_shard_size: number | string
  /**
   * Saved with the weights, including its chat template (ours).
   *
   * Takes a tokenizer.
   */
  tokenizer: PreTrainedTokenizer | undefined
  /**
   * Called with the bytes written and the total.
   *
   * Takes a function.
   */
  progress: ((done: number, total: number) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What save_pretrained takes. */
export interface SaveOptions {
  /**
   * The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.
   *
   * Takes a number of bytes or a size such as '5GB'.
   * @default '50GB'
   */
  max_shard_size?: number | string
  /**
   * Saved with the weights, including its chat template (ours).
   *
   * Takes a tokenizer.
   */
  tokenizer?: PreTrainedTokenizer
  /**
   * Called with the bytes written and the total.
   *
   * Takes a function.
   */
  progress?: (done: number, total: number) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: weights are written as safetensors only. */
  safe_serialization?: true | null
  /** @deprecated not supported: the model's own weights are written. */
  state_dict?: null
  /** @deprecated not supported: there is one process. */
  is_main_process?: true | null
  /** @deprecated not supported: the files have their usual names. */
  variant?: null
  /** @deprecated not supported: call push_to_hub. */
  push_to_hub?: false | null
  /** @deprecated not supported: nothing is asked of the hub; it belongs to push_to_hub. */
  token?: null
}

/** The values of save_pretrained_merged. */
export interface ParsedMergedOptions {
  /**
   * 'merged_16bit': one model in a float dtype; 'merged_4bit': its linear layers in bitsandbytes' 4 bits; 'lora': only the adapter.
   *
   * Takes one of 'merged_16bit', 'merged_4bit', 'lora'.
   * @default 'merged_16bit'
   */
  save_method: 'merged_16bit' | 'merged_4bit' | 'lora'
  /**
   * The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.
   *
   * Takes one of 'dequantized', 'original'.
   * @default 'dequantized'
   */
  base_weights: 'dequantized' | 'original'
  /**
   * Dtype of what is not 4-bit; 'auto': the model's own (ours).
   *
   * Takes one of 'auto', 'float32', 'bfloat16', 'float16'.
   * @default 'auto'
   */
  dtype: 'auto' | 'float32' | 'bfloat16' | 'float16'
  /**
   * How 'merged_4bit' quantizes; null: like the model, or nf4 with double quantization if the model is not quantized (ours).
   *
   * Takes a BitsAndBytesConfig or null.
   * @default null
   */
  quantization_config: BitsAndBytesConfig | null
  /**
   * The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.
   *
   * Takes a number of bytes or a size such as '5GB'.
   * @default '50GB'
   */
  max_shard_size: number | string
  /**
   * Called with the bytes written and the total.
   *
   * Takes a function.
   */
  progress: ((done: number, total: number) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What save_pretrained_merged takes. */
export interface MergedOptions {
  /**
   * 'merged_16bit': one model in a float dtype; 'merged_4bit': its linear layers in bitsandbytes' 4 bits; 'lora': only the adapter.
   *
   * Takes one of 'merged_16bit', 'merged_4bit', 'lora'.
   * @default 'merged_16bit'
   */
  save_method?: 'merged_16bit' | 'merged_4bit' | 'lora'
  /**
   * The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.
   *
   * Takes one of 'dequantized', 'original'.
   * @default 'dequantized'
   */
  base_weights?: 'dequantized' | 'original'
  /**
   * Dtype of what is not 4-bit; 'auto': the model's own (ours).
   *
   * Takes one of 'auto', 'float32', 'bfloat16', 'float16'.
   * @default 'auto'
   */
  dtype?: 'auto' | 'float32' | 'bfloat16' | 'float16'
  /**
   * How 'merged_4bit' quantizes; null: like the model, or nf4 with double quantization if the model is not quantized (ours).
   *
   * Takes a BitsAndBytesConfig or null.
   * @default null
   */
  quantization_config?: BitsAndBytesConfig | null
  /**
   * The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.
   *
   * Takes a number of bytes or a size such as '5GB'.
   * @default '50GB'
   */
  max_shard_size?: number | string
  /**
   * Called with the bytes written and the total.
   *
   * Takes a function.
   */
  progress?: (done: number, total: number) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: weights are written as safetensors only. */
  safe_serialization?: true | null
  /** @deprecated not supported: the model's own weights are written. */
  state_dict?: null
  /** @deprecated not supported: there is one process. */
  is_main_process?: true | null
  /** @deprecated not supported: the files have their usual names. */
  variant?: null
}

/** The values of save_pretrained_gguf. */
export interface ParsedGgufOptions {
  /**
   * Element type, a file for each: F32, F16, BF16, Q8_0, Q4_0, Q4_K_M, Q5_K_M, Q6_K; for only an adapter F32, F16 or BF16.
   *
   * Takes one of F32, F16, BF16, Q8_0, Q4_0, Q4_K_M, Q5_K_M, Q6_K, or a list of them.
   * @default 'Q8_0'
   */
  quantization_method: string | string[]
  /**
   * 'merged': a whole model; 'lora': the adapter alone, for llama.cpp's --lora and Ollama's ADAPTER (ours).
   *
   * Takes one of 'merged', 'lora'.
   * @default 'merged'
   */
  save_method: 'merged' | 'lora'
  /**
   * The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.
   *
   * Takes one of 'dequantized', 'original'.
   * @default 'dequantized'
   */
  base_weights: 'dequantized' | 'original'
  /**
   * Also write Ollama's Modelfile, with template and stops, for the first file (ours).
   *
   * Takes true or false.
   * @default true
   */
  modelfile: boolean
  /**
   * Called with the bytes written and the total.
   *
   * Takes a function.
   */
  progress: ((done: number, total: number) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What save_pretrained_gguf takes. */
export interface GgufOptions {
  /**
   * Element type, a file for each: F32, F16, BF16, Q8_0, Q4_0, Q4_K_M, Q5_K_M, Q6_K; for only an adapter F32, F16 or BF16.
   *
   * Takes one of F32, F16, BF16, Q8_0, Q4_0, Q4_K_M, Q5_K_M, Q6_K, or a list of them.
   * @default 'Q8_0'
   */
  quantization_method?: string | readonly string[]
  /**
   * 'merged': a whole model; 'lora': the adapter alone, for llama.cpp's --lora and Ollama's ADAPTER (ours).
   *
   * Takes one of 'merged', 'lora'.
   * @default 'merged'
   */
  save_method?: 'merged' | 'lora'
  /**
   * The weights of 4-bit layers that the update is added to: 'dequantized', which the adapter was trained on, or 'original', read from the checkpoint again in 16 bits.
   *
   * Takes one of 'dequantized', 'original'.
   * @default 'dequantized'
   */
  base_weights?: 'dequantized' | 'original'
  /**
   * Also write Ollama's Modelfile, with template and stops, for the first file (ours).
   *
   * Takes true or false.
   * @default true
   */
  modelfile?: boolean
  /**
   * Called with the bytes written and the total.
   *
   * Takes a function.
   */
  progress?: (done: number, total: number) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: tensors are written a slice at a time. */
  maximum_memory_usage?: 0.85 | null
  /** @deprecated not supported: call push_to_hub. */
  push_to_hub?: false | null
}

/** The values of push_to_hub. */
export interface ParsedPushOptions {
  /**
   * First line of the commit.
   *
   * Takes a text.
   * @default 'Upload with qlora'
   */
  commit_message: string
  /**
   * The rest of the commit message.
   *
   * Takes a text.
   * @default ''
   */
  commit_description: string
  /**
   * Whether a new repository is private. An existing one is not changed.
   *
   * Takes true or false.
   * @default true
   */
  private: boolean
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token: string | boolean | null
  /**
   * Branch to commit to; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision: string | null
  /**
   * Open a pull request in place of a commit.
   *
   * Takes true or false.
   * @default false
   */
  create_pr: boolean
  /**
   * The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.
   *
   * Takes a number of bytes or a size such as '5GB'.
   * @default '50GB'
   */
  max_shard_size: number | string
  /**
   * Saved with the weights, including its chat template (ours).
   *
   * Takes a tokenizer.
   */
  tokenizer: PreTrainedTokenizer | undefined
  /**
   * Called with a file and its uploaded share, 0 to 1.
   *
   * Takes a function.
   */
  progress: ((path: string, done: number) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
}

/** What push_to_hub takes. */
export interface PushOptions {
  /**
   * First line of the commit.
   *
   * Takes a text.
   * @default 'Upload with qlora'
   */
  commit_message?: string
  /**
   * The rest of the commit message.
   *
   * Takes a text.
   * @default ''
   */
  commit_description?: string
  /**
   * Whether a new repository is private. An existing one is not changed.
   *
   * Takes true or false.
   * @default true
   */
  private?: boolean
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token?: string | boolean | null
  /**
   * Branch to commit to; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision?: string | null
  /**
   * Open a pull request in place of a commit.
   *
   * Takes true or false.
   * @default false
   */
  create_pr?: boolean
  /**
   * The most bytes of a file of weights: a number, or a size such as '5GB' or '500MB'.
   *
   * Takes a number of bytes or a size such as '5GB'.
   * @default '50GB'
   */
  max_shard_size?: number | string
  /**
   * Saved with the weights, including its chat template (ours).
   *
   * Takes a tokenizer.
   */
  tokenizer?: PreTrainedTokenizer
  /**
   * Called with a file and its uploaded share, 0 to 1.
   *
   * Takes a function.
   */
  progress?: (path: string, done: number) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /** @deprecated not supported: write them into the README.md's head. */
  tags?: null
  /** @deprecated not supported: it returns a promise. */
  blocking?: true | null
}
