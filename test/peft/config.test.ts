import { readFileSync } from 'node:fs'

import { describe, expect, it } from 'vitest'

import { LoraConfig } from '../../src/peft/config'
import { golden } from '../support/shared'

const files = [
  ...[
    'all_linear',
    'all_linear_dora',
    'all_linear_rslora',
    'bias_all',
    'qv',
    'qv_bf16',
    'qv_const',
    'qv_ga2',
    'qv_lm_head',
  ].map((name) => `lora_step/${name}/init/adapter_config.json`),
  ...['article', 'replay_f32', 'replay_bf16_adapter'].map(
    (name) => `sft_run/${name}/adapter/adapter_config.json`,
  ),
]

describe('LoraConfig', () => {
  it.each(files)('reads and writes %s unchanged', (file) => {
    const saved = JSON.parse(readFileSync(golden(file), 'utf8')) as Record<string, unknown>
    const config = LoraConfig.from_dict(saved)
    expect(config.to_dict()).toEqual(saved)
    expect(Object.keys(config.to_dict())).toEqual(Object.keys(saved))
    expect(JSON.parse(config.to_json_string())).toEqual(saved)
  })

  it('has the defaults of PEFT', () => {
    expect({ ...new LoraConfig() }).toEqual({
      r: 8,
      target_modules: null,
      exclude_modules: null,
      lora_alpha: 8,
      lora_dropout: 0,
      bias: 'none',
      use_rslora: false,
      use_dora: false,
      modules_to_save: null,
      trainable_token_indices: null,
      init_lora_weights: true,
      layers_to_transform: null,
      layers_pattern: null,
      rank_pattern: {},
      alpha_pattern: {},
      task_type: null,
      base_model_name_or_path: null,
      revision: null,
      inference_mode: false,
      peft_version: '0.21.2',
      peft_type: 'LORA',
    })
  })

  it('keeps what it is given and writes module names sorted', () => {
    const config = new LoraConfig({
      r: 64,
      lora_alpha: 16,
      lora_dropout: 0.1,
      task_type: 'CAUSAL_LM',
      target_modules: ['v_proj', 'q_proj'],
      init_lora_weights: 'gaussian',
      layers_to_transform: [0, 2],
      layers_pattern: 'layers',
      rank_pattern: { q_proj: 4 },
    })
    expect(config.to_dict()).toMatchObject({
      r: 64,
      lora_dropout: 0.1,
      target_modules: ['q_proj', 'v_proj'],
      init_lora_weights: 'gaussian',
      layers_to_transform: [0, 2],
      layers_pattern: 'layers',
      rank_pattern: { q_proj: 4 },
      megatron_core: 'megatron.core',
    })
    expect(config.target_modules).toEqual(['v_proj', 'q_proj'])
  })

  it('skips unknown fields of a file but throws on them in a call', () => {
    expect(LoraConfig.from_dict({ r: 4, a_new_field: { x: 1 }, rank_pattern: null })).toMatchObject({
      r: 4,
      rank_pattern: {},
    })
    // PEFT computes lora_alpha / r, and fails.
    expect(() => LoraConfig.from_dict({ r: 4, lora_alpha: null })).toThrow(
      '[LoraConfig] lora_alpha: got null',
    )
    expect(() => new LoraConfig({ lora_dropot: 0.1 } as never)).toThrow(
      "[LoraConfig] unknown option 'lora_dropot'. Did you mean 'lora_dropout'?",
    )
  })

  it('refuses what is not built, in a call and in a file', () => {
    expect(() => new LoraConfig({ layer_replication: [[0, 4]] as never })).toThrow(
      'layer_replication = [[0,4]] is not supported',
    )
    expect(() => LoraConfig.from_dict({ use_qalora: true })).toThrow(
      'use_qalora = true is not supported: it needs GPTQ',
    )
    expect(() => LoraConfig.from_dict({ peft_type: 'LOHA' })).toThrow(
      "peft_type: got 'LOHA', needs one of 'LORA'",
    )
    expect(() => new LoraConfig({ init_lora_weights: 'pissa' as never })).toThrow(
      "got 'pissa', needs true, false, 'gaussian' or 'orthogonal'",
    )
    expect(() => new LoraConfig({ task_type: 'SEQ_CLS' as never })).toThrow(
      "got 'SEQ_CLS', needs 'CAUSAL_LM' or null",
    )
    expect(new LoraConfig({ loftq_config: {}, runtime_config: { ephemeral_gpu_offload: false } }).r).toBe(8)
  })

  it('checks ranges and combinations', () => {
    expect(() => new LoraConfig({ r: 0 })).toThrow('[LoraConfig] r: got 0, needs a whole number >= 1')
    expect(() => new LoraConfig({ lora_dropout: 1.5 })).toThrow(
      'lora_dropout: got 1.5, needs a number >= 0 and <= 1',
    )
    expect(() => new LoraConfig({ bias: 'some' as never })).toThrow("needs one of 'none', 'all', 'lora_only'")
    expect(() => new LoraConfig({ rank_pattern: { q_proj: 0 } })).toThrow(
      'needs an object with whole numbers >= 1 by name',
    )
    expect(() => new LoraConfig({ target_modules: 3 as never })).toThrow(
      'needs a text, a list of texts, or null',
    )
    expect(() => new LoraConfig({ target_modules: '.*q_proj', layers_to_transform: 1 })).toThrow(
      'needs a list in target_modules',
    )
    expect(() => new LoraConfig({ target_modules: 'all-linear', layers_pattern: 'layers' })).toThrow(
      'needs a list in target_modules',
    )
    expect(() => new LoraConfig({ target_modules: ['q_proj'], layers_pattern: 'layers' })).toThrow(
      'needs layers_to_transform',
    )
  })
})
