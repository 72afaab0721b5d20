// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.

/** The values of BitsAndBytesConfig. */
export interface BitsAndBytesOptions {
  /**
   * Store the linear layers in 4 bits, blocks of 64.
   *
   * Takes true or false.
   * @default false
   */
  load_in_4bit: boolean
  /**
   * Store the linear layers in 8 bits, a scale for each row, and multiply by LLM.int8: activations in 8 bits too, but for columns with outliers.
   *
   * Takes true or false.
   * @default false
   */
  load_in_8bit: boolean
  /**
   * The 16 code values: nf4 (quantiles of a normal distribution) or fp4 (a 4-bit float).
   *
   * Takes one of 'nf4', 'fp4'.
   * @default 'fp4'
   */
  bnb_4bit_quant_type: 'nf4' | 'fp4'
  /**
   * Dtype to which weights and activations are rounded before a 4-bit layer multiplies them.
   *
   * Takes one of 'float16', 'bfloat16', 'float32'.
   * @default 'float32'
   */
  bnb_4bit_compute_dtype: 'float16' | 'bfloat16' | 'float32'
  /**
   * Quantize the scales too, to 8 bits in blocks of 256: 4.127 bits per weight in place of 4.5.
   *
   * Takes true or false.
   * @default false
   */
  bnb_4bit_use_double_quant: boolean
  /**
   * Dtype of the packed codes in files of save_pretrained; the bytes are the same.
   *
   * Takes one of 'uint8', 'float16', 'bfloat16', 'float32'.
   * @default 'uint8'
   */
  bnb_4bit_quant_storage: 'uint8' | 'float16' | 'bfloat16' | 'float32'
  /**
   * Linear layers left unquantized, of 4 and of 8 bits, by the end of their name; null: the output head only.
   *
   * Takes a list, each a text that is not empty or null.
   * @default null
   */
  llm_int8_skip_modules: string[] | null
  /**
   * Of 8-bit layers: columns of the activations with a magnitude of so much or more are multiplied in their own dtype. 0: none. In training on a CPU activations are not quantized at all, as in bitsandbytes.
   *
   * Takes a number >= 0.
   * @default 6
   */
  llm_int8_threshold: number
}

/** What BitsAndBytesConfig takes. */
export interface BitsAndBytesInit {
  /**
   * Store the linear layers in 4 bits, blocks of 64.
   *
   * Takes true or false.
   * @default false
   */
  load_in_4bit?: boolean
  /**
   * Store the linear layers in 8 bits, a scale for each row, and multiply by LLM.int8: activations in 8 bits too, but for columns with outliers.
   *
   * Takes true or false.
   * @default false
   */
  load_in_8bit?: boolean
  /**
   * The 16 code values: nf4 (quantiles of a normal distribution) or fp4 (a 4-bit float).
   *
   * Takes one of 'nf4', 'fp4'.
   * @default 'fp4'
   */
  bnb_4bit_quant_type?: 'nf4' | 'fp4'
  /**
   * Dtype to which weights and activations are rounded before a 4-bit layer multiplies them.
   *
   * Takes one of 'float16', 'bfloat16', 'float32'.
   * @default 'float32'
   */
  bnb_4bit_compute_dtype?:
    'float16' | 'bfloat16' | 'float32' | 'torch.float16' | 'torch.bfloat16' | 'torch.float32' | null
  /**
   * Quantize the scales too, to 8 bits in blocks of 256: 4.127 bits per weight in place of 4.5.
   *
   * Takes true or false.
   * @default false
   */
  bnb_4bit_use_double_quant?: boolean
  /**
   * Dtype of the packed codes in files of save_pretrained; the bytes are the same.
   *
   * Takes one of 'uint8', 'float16', 'bfloat16', 'float32'.
   * @default 'uint8'
   */
  bnb_4bit_quant_storage?:
    | 'uint8'
    | 'float16'
    | 'bfloat16'
    | 'float32'
    | 'torch.uint8'
    | 'torch.float16'
    | 'torch.bfloat16'
    | 'torch.float32'
    | null
  /**
   * Linear layers left unquantized, of 4 and of 8 bits, by the end of their name; null: the output head only.
   *
   * Takes a list, each a text that is not empty or null.
   * @default null
   */
  llm_int8_skip_modules?: string[] | null
  /**
   * Of 8-bit layers: columns of the activations with a magnitude of so much or more are multiplied in their own dtype. 0: none. In training on a CPU activations are not quantized at all, as in bitsandbytes.
   *
   * Takes a number >= 0.
   * @default 6
   */
  llm_int8_threshold?: number
  /** @deprecated not supported: a model is on one device; parts of it cannot be left on the CPU. */
  llm_int8_enable_fp32_cpu_offload?: false | null
  /** @deprecated not supported: the weights of 8-bit layers are frozen, for adapters to be trained on them. */
  llm_int8_has_fp16_weight?: false | null
}
