import { describe, expect, it } from 'vitest'

import { LoraConfig } from '../../src/peft/config'
import { scalingFor } from '../../src/peft/targets'

describe('adapter files of other makers', () => {
  it('load whatever says only how the adapter began', () => {
    for (const init_lora_weights of ['orthogonal', 'eva', 'lora_ga', 'mica']) {
      const config = LoraConfig.from_dict({
        init_lora_weights,
        auto_mapping: { base_model_class: 'LlamaForCausalLM', parent_library: 'x', unsloth_fixed: true },
        eva_config: { rho: 2 },
        lora_ga_config: {},
        loftq_config: { loftq_bits: 4 },
        runtime_config: { ephemeral_gpu_offload: true },
        megatron_core: 'elsewhere',
        megatron_config: null,
      })
      expect(config.init_lora_weights).toBe(true)
    }
    for (const init_lora_weights of ['olora', 'pissa', 'pissa_niter_4', 'corda', 'loftq'])
      expect(() => LoraConfig.from_dict({ init_lora_weights })).toThrow('init_lora_weights')
    // A caller who asks for such a start is still told.
    expect(() => new LoraConfig({ init_lora_weights: 'eva' as 'gaussian' })).toThrow('init_lora_weights')
  })

  it('refuse what changes the update', () => {
    for (const name of ['r', 'lora_alpha', 'lora_dropout'])
      expect(() => LoraConfig.from_dict({ [name]: null })).toThrow(`[LoraConfig] ${name}`)
    const config = new LoraConfig({ lora_alpha: 1e308 })
    expect(() => scalingFor('model.layers.0.self_attn.q_proj', config)).toThrow('beyond what float32 holds')
    expect(() => scalingFor('x', new LoraConfig({ alpha_pattern: { x: 1e60 } }))).toThrow('lora_alpha: 1e+60')
  })
})
