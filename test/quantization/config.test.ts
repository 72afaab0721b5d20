import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { BitsAndBytesConfig } from '../../src/quantization/config'
import { golden } from '../support/shared'

const written = (folder: string): Record<string, unknown> =>
  (
    JSON.parse(readFileSync(golden(folder, 'config.json'), 'utf8')) as {
      quantization_config: Record<string, unknown>
    }
  ).quantization_config

describe('BitsAndBytesConfig', () => {
  it('has the defaults of transformers', () => {
    expect({ ...new BitsAndBytesConfig() }).toEqual({
      quant_method: 'bitsandbytes',
      load_in_4bit: false,
      load_in_8bit: false,
      bnb_4bit_quant_type: 'fp4',
      bnb_4bit_compute_dtype: 'float32',
      bnb_4bit_use_double_quant: false,
      bnb_4bit_quant_storage: 'uint8',
      llm_int8_skip_modules: null,
      llm_int8_threshold: 6,
    })
    expect(new BitsAndBytesConfig().quantization_method()).toBeNull()
    expect(new BitsAndBytesConfig().is_quantizable()).toBe(false)
  })

  it('takes what the article gives', () => {
    const config = new BitsAndBytesConfig({
      load_in_4bit: true,
      bnb_4bit_quant_type: 'nf4',
      bnb_4bit_compute_dtype: 'torch.float16',
      bnb_4bit_use_double_quant: false,
      bnb_4bit_quant_storage: 'torch.bfloat16',
    })
    expect(config.bnb_4bit_compute_dtype).toBe('float16')
    expect(config.bnb_4bit_quant_storage).toBe('bfloat16')
    expect(config.quantization_method()).toBe('nf4')
    expect(new BitsAndBytesConfig({ bnb_4bit_compute_dtype: null }).bnb_4bit_compute_dtype).toBe('float32')
  })

  it.each(['tiny-llama-nf4', 'tiny-llama-nf4-nodq', 'tiny-llama-bias-nf4'])(
    'reads and writes the config.json of %s',
    (folder) => {
      const file = written(folder)
      const config = BitsAndBytesConfig.from_dict(file)
      expect(config.load_in_4bit).toBe(true)
      expect(config.bnb_4bit_use_double_quant).toBe(
        folder !== 'tiny-llama-nf4-nodq' && file['bnb_4bit_use_double_quant'],
      )
      expect(config.to_dict()).toEqual(file)
      expect(Object.keys(config.to_dict())).toEqual(Object.keys(file))
      expect(JSON.parse(config.to_json_string())).toEqual(file)
      expect(config.to_json_string()).toContain('"llm_int8_threshold": 6.0,')
    },
  )

  it('8 bits, written as transformers writes it', () => {
    const config = new BitsAndBytesConfig({ load_in_8bit: true, llm_int8_threshold: 5 })
    expect([config.quantization_method(), config.is_quantizable()]).toEqual(['llm_int8', true])
    const dict = { _load_in_4bit: false, _load_in_8bit: true, load_in_4bit: false, load_in_8bit: true }
    expect(config.to_dict()).toMatchObject({ ...dict, llm_int8_threshold: 5 })
    expect(BitsAndBytesConfig.from_dict(config.to_dict())).toEqual(config)
  })

  it('keeps the modules to skip', () => {
    const config = new BitsAndBytesConfig({
      load_in_4bit: true,
      llm_int8_skip_modules: ['lm_head', 'o_proj'],
    })
    expect(config.to_dict()['llm_int8_skip_modules']).toEqual(['lm_head', 'o_proj'])
  })

  it('skips fields it never heard of in a file, not in a call', () => {
    expect(BitsAndBytesConfig.from_dict({ load_in_4bit: true, something_new: 1 }).load_in_4bit).toBe(true)
    expect(() => new BitsAndBytesConfig({ bnb_4bit_quant_typ: 'nf4' } as never)).toThrow(
      "[BitsAndBytesConfig] unknown option 'bnb_4bit_quant_typ'. Did you mean 'bnb_4bit_quant_type'?",
    )
  })

  it('refuses what it cannot do', () => {
    expect(() => new BitsAndBytesConfig({ load_in_4bit: true, load_in_8bit: true })).toThrow(
      'load_in_4bit and load_in_8bit are both true; give one',
    )
    expect(() => new BitsAndBytesConfig({ load_in_8bit: true, llm_int8_threshold: -1 })).toThrow(
      'llm_int8_threshold: got -1',
    )
    expect(() => BitsAndBytesConfig.from_dict({ quant_method: 'gptq', bits: 4 })).toThrow(
      "quant_method is 'gptq'",
    )
    expect(() => new BitsAndBytesConfig({ bnb_4bit_quant_type: 'int4' as never })).toThrow(
      "bnb_4bit_quant_type: got 'int4', needs one of 'nf4', 'fp4'",
    )
    expect(() => new BitsAndBytesConfig({ bnb_4bit_compute_dtype: 'float64' as never })).toThrow(
      "bnb_4bit_compute_dtype: got 'float64', needs one of 'float16', 'bfloat16', 'float32'",
    )
    expect(() => new BitsAndBytesConfig({ llm_int8_skip_modules: 'lm_head' as never })).toThrow(
      'needs a list, each a text',
    )
    expect(() => new BitsAndBytesConfig({ llm_int8_has_fp16_weight: true as never })).toThrow('frozen')
    // In a file it stands beside 4-bit weights too, which it does not concern.
    expect(
      BitsAndBytesConfig.from_dict({ load_in_4bit: true, llm_int8_has_fp16_weight: true }).load_in_4bit,
    ).toBe(true)
    expect(() => new BitsAndBytesConfig({ llm_int8_enable_fp32_cpu_offload: true as never })).toThrow(
      'one device',
    )
  })
})
