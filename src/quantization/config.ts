import type { OptionSet } from '../options/declaration'
import { parseOptions } from '../options/parse'
import { dtypeInput, dtypeSchema, flag, names, oneOf, real } from '../options/schemas'
import type { BitsAndBytesInit, BitsAndBytesOptions } from './options.generated'

const computeDtypes = ['float16', 'bfloat16', 'float32'] as const
const storageDtypes = ['uint8', 'float16', 'bfloat16', 'float32'] as const

export const bitsAndBytesOptionSet: OptionSet<BitsAndBytesOptions> = {
  owner: 'BitsAndBytesConfig',
  options: {
    load_in_4bit: { schema: flag, default: false, doc: 'Store the linear layers in 4 bits, blocks of 64.' },
    load_in_8bit: {
      schema: flag,
      default: false,
      doc: 'Store the linear layers in 8 bits, a scale for each row, and multiply by LLM.int8: activations in 8 bits too, but for columns with outliers.',
    },
    bnb_4bit_quant_type: {
      schema: oneOf('nf4', 'fp4'),
      default: 'fp4',
      doc: 'The 16 code values: nf4 (quantiles of a normal distribution) or fp4 (a 4-bit float).',
    },
    bnb_4bit_compute_dtype: {
      schema: dtypeSchema(computeDtypes, 'float32'),
      input: dtypeInput(computeDtypes),
      default: 'float32',
      doc: 'Dtype to which weights and activations are rounded before a 4-bit layer multiplies them.',
    },
    bnb_4bit_use_double_quant: {
      schema: flag,
      default: false,
      doc: 'Quantize the scales too, to 8 bits in blocks of 256: 4.127 bits per weight in place of 4.5.',
    },
    bnb_4bit_quant_storage: {
      schema: dtypeSchema(storageDtypes, 'uint8'),
      input: dtypeInput(storageDtypes),
      default: 'uint8',
      doc: 'Dtype of the packed codes in files of save_pretrained; the bytes are the same.',
    },
    llm_int8_skip_modules: {
      schema: names,
      default: null,
      doc: 'Linear layers left unquantized, of 4 and of 8 bits, by the end of their name; null: the output head only.',
    },
    llm_int8_threshold: {
      schema: real({ min: 0 }),
      default: 6.0,
      doc: 'Of 8-bit layers: columns of the activations with a magnitude of so much or more are multiplied in their own dtype. 0: none. In training on a CPU activations are not quantized at all, as in bitsandbytes.',
    },
  },
  refused: {
    llm_int8_enable_fp32_cpu_offload: {
      default: false,
      reason: 'a model is on one device; parts of it cannot be left on the CPU.',
    },
    llm_int8_has_fp16_weight: {
      default: false,
      reason: 'the weights of 8-bit layers are frozen, for adapters to be trained on them.',
    },
  },
}

export type { BitsAndBytesInit } from './options.generated'

export interface BitsAndBytesConfig extends BitsAndBytesOptions {}

/**
 * How `from_pretrained` quantizes the linear layers, with the names and defaults of transformers. Block size of 4 bits is 64 for
 * weights, 256 for double-quantized scales; output head and embeddings are never quantized.
 *
 * Throws `TypeError` on an unknown name, a wrong value, and when 4 and 8 bits are asked for at once.
 */
export class BitsAndBytesConfig {
  static readonly options: OptionSet<BitsAndBytesOptions> = bitsAndBytesOptionSet
  readonly quant_method = 'bitsandbytes' as const

  constructor(init: BitsAndBytesInit = {}) {
    Object.assign(this, parseOptions(bitsAndBytesOptionSet, init))
    if (this.load_in_4bit && this.load_in_8bit)
      throw new TypeError('[BitsAndBytesConfig] load_in_4bit and load_in_8bit are both true; give one')
  }

  /** 'llm_int8', 'nf4' or 'fp4'; null when nothing is to be quantized. */
  quantization_method(): 'llm_int8' | 'nf4' | 'fp4' | null {
    if (this.load_in_8bit) return 'llm_int8'
    return this.load_in_4bit ? this.bnb_4bit_quant_type : null
  }

  is_quantizable(): boolean {
    return this.load_in_4bit || this.load_in_8bit
  }

  /** `quantization_config` of a config.json, as transformers writes it. */
  to_dict(): Record<string, unknown> {
    return {
      _load_in_4bit: this.load_in_4bit,
      _load_in_8bit: this.load_in_8bit,
      bnb_4bit_compute_dtype: this.bnb_4bit_compute_dtype,
      bnb_4bit_quant_storage: this.bnb_4bit_quant_storage,
      bnb_4bit_quant_type: this.bnb_4bit_quant_type,
      bnb_4bit_use_double_quant: this.bnb_4bit_use_double_quant,
      llm_int8_enable_fp32_cpu_offload: false,
      llm_int8_has_fp16_weight: false,
      llm_int8_skip_modules: this.llm_int8_skip_modules === null ? null : [...this.llm_int8_skip_modules],
      llm_int8_threshold: this.llm_int8_threshold,
      load_in_4bit: this.load_in_4bit,
      load_in_8bit: this.load_in_8bit,
      quant_method: this.quant_method,
    }
  }

  to_json_string(): string {
    // transformers needs a float here, and JavaScript writes 6.0 as 6.
    const text = JSON.stringify(this.to_dict(), null, 2)
    return text.replace(/("llm_int8_threshold": \d+)(?=,?\n)/, '$1.0') + '\n'
  }

  /**
   * Reads the `quantization_config` of a config.json. Unknown fields are skipped, since newer versions may
   * write more. Throws when `quant_method` names another method.
   */
  static from_dict(dict: Record<string, unknown>): BitsAndBytesConfig {
    // A field of 8-bit layers; 4-bit weights do not depend on it.
    const { quant_method: method = 'bitsandbytes', llm_int8_has_fp16_weight: _, ...fields } = dict
    if (method !== 'bitsandbytes') {
      throw new TypeError(
        `[BitsAndBytesConfig] quant_method is '${String(method)}'; only weights quantized by 'bitsandbytes' or 'fp8' can be read`,
      )
    }
    const known = Object.keys({ ...bitsAndBytesOptionSet.options, ...bitsAndBytesOptionSet.refused })
    return new BitsAndBytesConfig(
      Object.fromEntries(Object.entries(fields).filter(([name]) => known.includes(name))),
    )
  }
}
