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
    bnb_4bit_quant_type: {
      schema: oneOf('nf4', 'fp4'),
      default: 'fp4',
      doc: 'The 16 code values: nf4 (quantiles of a normal distribution) or fp4 (a 4-bit float).',
    },
    bnb_4bit_compute_dtype: {
      schema: dtypeSchema(computeDtypes, 'float32'),
      input: dtypeInput(computeDtypes),
      default: 'float32',
      doc: 'Type that weights and activations are rounded to before a 4-bit layer multiplies them.',
    },
    bnb_4bit_use_double_quant: {
      schema: flag,
      default: false,
      doc: 'Quantize the scales too, to 8 bits in blocks of 256: 4.127 bits a weight in place of 4.5.',
    },
    bnb_4bit_quant_storage: {
      schema: dtypeSchema(storageDtypes, 'uint8'),
      input: dtypeInput(storageDtypes),
      default: 'uint8',
      doc: 'Dtype under which save_pretrained stores the packed codes; the bytes are the same.',
    },
    llm_int8_skip_modules: {
      schema: names,
      default: null,
      doc: 'Linear layers left unquantized, by the end of their name; null: the output head only.',
    },
    llm_int8_threshold: {
      schema: real({ min: 0 }),
      default: 6.0,
      inert: true,
      doc: 'Read by 8-bit layers only, in transformers too. Kept so that a config.json is written back unchanged.',
    },
  },
  refused: {
    load_in_8bit: { default: false, reason: 'LLM.int8 layers are not built yet; use load_in_4bit: true.' },
    llm_int8_enable_fp32_cpu_offload: {
      default: false,
      reason: 'a model is on one device; parts of it cannot be left on the CPU.',
    },
    llm_int8_has_fp16_weight: {
      default: false,
      reason: 'it belongs to 8-bit layers, which are not built yet.',
    },
  },
}

export type { BitsAndBytesInit } from './options.generated'

export interface BitsAndBytesConfig extends BitsAndBytesOptions {}

/**
 * How `from_pretrained` quantizes the linear layers, with the names and defaults of transformers. Block size is 64 for
 * weights, 256 for double-quantized scales; output head and embeddings are never quantized.
 *
 * Throws `TypeError` on an unknown name, a wrong value, and on anything this version does not do (8 bit).
 */
export class BitsAndBytesConfig {
  static readonly options: OptionSet<BitsAndBytesOptions> = bitsAndBytesOptionSet
  readonly quant_method = 'bitsandbytes' as const

  constructor(init: BitsAndBytesInit = {}) {
    Object.assign(this, parseOptions(bitsAndBytesOptionSet, init))
  }

  /** 'nf4' or 'fp4'; null when nothing is to be quantized. */
  quantization_method(): 'nf4' | 'fp4' | null {
    return this.load_in_4bit ? this.bnb_4bit_quant_type : null
  }

  is_quantizable(): boolean {
    return this.load_in_4bit
  }

  /** `quantization_config` of a config.json, as transformers writes it. */
  to_dict(): Record<string, unknown> {
    return {
      _load_in_4bit: this.load_in_4bit,
      _load_in_8bit: false,
      bnb_4bit_compute_dtype: this.bnb_4bit_compute_dtype,
      bnb_4bit_quant_storage: this.bnb_4bit_quant_storage,
      bnb_4bit_quant_type: this.bnb_4bit_quant_type,
      bnb_4bit_use_double_quant: this.bnb_4bit_use_double_quant,
      llm_int8_enable_fp32_cpu_offload: false,
      llm_int8_has_fp16_weight: false,
      llm_int8_skip_modules: this.llm_int8_skip_modules === null ? null : [...this.llm_int8_skip_modules],
      llm_int8_threshold: this.llm_int8_threshold,
      load_in_4bit: this.load_in_4bit,
      load_in_8bit: false,
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
