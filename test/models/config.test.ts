import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { AutoConfig } from '../../src/models/auto'
import { PretrainedConfig } from '../../src/models/config'
import { golden } from '../support/shared'

const sizes = {
  model_type: 'llama',
  vocab_size: 300,
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
}

it('fills in what a config.json may leave out, as transformers does', () => {
  expect(new PretrainedConfig(sizes)).toMatchObject({
    ...{
      num_key_value_heads: 4,
      head_dim: 8,
      max_position_embeddings: 2048,
      rms_norm_eps: 1e-6,
      use_cache: true,
    },
    ...{
      attention_bias: false,
      mlp_bias: false,
      tie_word_embeddings: false,
      dtype: undefined,
      pretraining_tp: 1,
    },
    rope_parameters: { rope_type: 'default', rope_theta: 10000 },
  })
})

it('reads the spellings of transformers 4 and 5 alike', async () => {
  const modern = await AutoConfig.from_pretrained(golden('tiny-llama-rope3'))
  const legacy = new PretrainedConfig(
    JSON.parse(await readFile(golden('tiny-llama-rope3', 'config.legacy.json'), 'utf8')) as Record<
      string,
      unknown
    >,
  )
  expect(legacy.rope_parameters).toEqual(modern.rope_parameters)
  expect(legacy.rope_parameters).toMatchObject({ rope_type: 'llama3', factor: 8 })
  expect(legacy.dtype).toBe('bfloat16')
  expect(modern.dtype).toBe('bfloat16')
  const old = new PretrainedConfig({ ...sizes, rope_theta: 5e5, rope_scaling: { type: 'linear', factor: 2 } })
  expect(old.rope_parameters).toMatchObject({ rope_type: 'linear', rope_theta: 5e5, factor: 2 })
})

it.each([
  [{ model_type: 'gpt2' }, "model type 'gpt2' is not supported; supported: llama, mistral, qwen2"],
  [{ vocab_size: '300' }, `config: 'vocab_size' must be a positive integer, got "300"`],
  [{ hidden_size: undefined }, "config: 'hidden_size' must be a positive integer, got undefined"],
  [{ num_hidden_layers: 0 }, "config: 'num_hidden_layers' must be a positive integer, got 0"],
  [{ intermediate_size: 1.5 }, "config: 'intermediate_size' must be a positive integer, got 1.5"],
  [
    { num_attention_heads: 3 },
    'config: hidden_size 32 is not a multiple of num_attention_heads 3, and there is no head_dim',
  ],
  [{ head_dim: 15 }, 'config: the size of a head must be even, got 15'],
  [{ num_key_value_heads: 3 }, 'config: num_attention_heads 4 is not a multiple of num_key_value_heads 3'],
  [{ hidden_act: 'gelu' }, "config: hidden_act 'gelu' is not supported; supported: silu"],
  [{ rms_norm_eps: 'small' }, `config: 'rms_norm_eps' must be a positive number, got "small"`],
  [{ rope_theta: -1 }, "config: 'rope_theta' must be a positive number, got -1"],
  [{ dtype: 'int8' }, 'dtype: expected float32, bfloat16 or float16, got int8'],
  [{ dtype: 'int32' }, 'config: dtype: expected float32, bfloat16 or float16, got int32'],
])('%j is refused', (change, message) => {
  expect(() => new PretrainedConfig({ ...sizes, ...change })).toThrow(message)
})

it('use_cache can be set, pretraining_tp only to 1', () => {
  const config = new PretrainedConfig({ ...sizes, pretraining_tp: 1, anything: [1] })
  config.use_cache = false
  config.pretraining_tp = 1
  expect(() => (config.pretraining_tp = 2)).toThrow(
    'config: pretraining_tp 2 is not supported; 1 computes the same exactly',
  )
  expect(config.pretraining_tp).toBe(1)
  expect(config.to_dict()).toEqual({ ...sizes, pretraining_tp: 1, anything: [1], use_cache: false })
})
