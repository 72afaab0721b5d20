import { describe, expect, it } from 'vitest'
import { modulesOf, parameterCount, tensorShapes } from '../../src/models/blueprint'
import { PretrainedConfig } from '../../src/models/config'
import { blueprintOf } from '../../src/models/families'
import { Embedding } from '../../src/nn/embedding'
import { load_safetensors } from '../../src/tensor/safetensors'
import { Tensor } from '../../src/tensor/tensor'
import { familyModels } from '../parity/family-models'
import { goldenJson } from '../parity/support'
import { golden } from '../support/shared'

const sizes = {
  ...{ vocab_size: 300, hidden_size: 32, intermediate_size: 48 },
  ...{ num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2 },
}
const windows = (fields: object): number[] =>
  blueprintOf(new PretrainedConfig({ ...sizes, ...fields })).layers.map(({ window }) => window)
const sliding = 'sliding_attention'
const full = 'full_attention'

it.each([
  ...['tiny-llama', 'tiny-llama-tied', 'tiny-llama-bias'],
  ...Object.values(familyModels).map(({ model }) => model),
])('%s: the description has every tensor of the file, in shape, and no other', async (name) => {
  const blueprint = blueprintOf(new PretrainedConfig(goldenJson(name, 'config.json')))
  const stored = await load_safetensors(golden(name, 'model.safetensors'))
  const shapes = Object.fromEntries(Object.entries(stored).map(([key, { shape }]) => [key, [...shape]]))
  expect(tensorShapes(blueprint)).toEqual(shapes)
  expect(parameterCount(blueprint)).toBe(Object.values(stored).reduce((n, { numel }) => n + numel, 0))
  expect(new Set(modulesOf(blueprint).map(({ gguf }) => gguf)).size).toBe(modulesOf(blueprint).length)
  for (const tensor of Object.values(stored)) tensor.dispose()
})

describe('windows', () => {
  it.each([
    [{ model_type: 'llama', sliding_window: 5 }, [0, 0, 0, 0]],
    [{ model_type: 'mistral', sliding_window: 5 }, [5, 5, 5, 5]],
    [{ model_type: 'mistral', sliding_window: null }, [0, 0, 0, 0]],
    [{ model_type: 'mistral' }, [4096, 4096, 4096, 4096]],
    [{ model_type: 'mistral', sliding_window: 5, layer_types: [full, sliding, full, sliding] }, [0, 5, 0, 5]],
    [{ model_type: 'qwen2', sliding_window: 5 }, [0, 0, 0, 0]],
    [{ model_type: 'qwen2', sliding_window: 5, use_sliding_window: true }, [0, 0, 0, 0]],
    [
      { model_type: 'qwen2', sliding_window: 5, use_sliding_window: true, max_window_layers: 3 },
      [0, 0, 0, 5],
    ],
    [
      {
        ...{ model_type: 'qwen2', sliding_window: 5, use_sliding_window: true },
        layer_types: [sliding, full, full, sliding],
      },
      [5, 0, 0, 5],
    ],
    [
      { model_type: 'qwen2', use_sliding_window: false, layer_types: Array<string>(4).fill(sliding) },
      [0, 0, 0, 0],
    ],
    [{ model_type: 'olmo2', sliding_window: 5 }, [0, 0, 0, 0]],
    [{ model_type: 'olmo3', sliding_window: 5 }, [5, 5, 5, 0]],
    [{ model_type: 'phi3' }, [0, 0, 0, 0]],
    [{ model_type: 'phi3', sliding_window: 5 }, [5, 5, 5, 5]],
    [{ model_type: 'ministral3' }, [0, 0, 0, 0]],
    [{ model_type: 'gemma2', sliding_window: 5 }, [5, 0, 5, 0]],
    [{ model_type: 'gemma3_text', sliding_window: 5 }, [5, 5, 5, 5]],
    [{ model_type: 'gemma3_text', sliding_window: 5, sliding_window_pattern: 2 }, [5, 0, 5, 0]],
    [
      { model_type: 'gemma3_text', sliding_window: 5, layer_types: [full, sliding, full, full] },
      [0, 5, 0, 0],
    ],
  ])('%j', (fields, expected) => expect(windows(fields)).toEqual(expected))

  it.each([
    [{ sliding_window: 0 }, "config: 'sliding_window' must be a positive integer or null, got 0"],
    [{ sliding_window: '5' }, `config: 'sliding_window' must be a positive integer or null, got "5"`],
    [{ layer_types: [full] }, "config: 'layer_types' must name 4 layers"],
    [{ layer_types: [full, full, full, 'chunked_attention'] }, 'each full_attention or sliding_attention'],
  ])('%j is refused', (fields, message) => {
    expect(() => windows({ model_type: 'mistral', ...fields })).toThrow(message)
  })
})

describe('SmolLM3', () => {
  const rotated = (fields: object): boolean[] =>
    blueprintOf(new PretrainedConfig({ ...sizes, model_type: 'smollm3', ...fields })).layers.map(
      ({ rope }) => rope !== null,
    )
  it.each([
    [{}, [true, true, true, false]],
    [{ no_rope_layer_interval: 2 }, [true, false, true, false]],
    [{ no_rope_layers: [0, 1, 1, 0] }, [false, true, true, false]],
  ])('%j', (fields, expected) => expect(rotated(fields)).toEqual(expected))

  it.each([
    [{ no_rope_layers: [0, 1] }, "config: 'no_rope_layers' must have 4 entries, each 0 or 1; got [0,1]"],
    [{ no_rope_layers: [0, 1, 2, 0] }, "config: 'no_rope_layers' must have 4 entries"],
    [{ no_rope_layer_interval: 0 }, "config: 'no_rope_layer_interval' must be a positive integer, got 0"],
  ])('%j is refused', (fields, message) => {
    expect(() => rotated(fields)).toThrow(message)
  })

  it('has a base of its own', () => {
    const { rope_parameters } = new PretrainedConfig({ ...sizes, model_type: 'smollm3' })
    expect(rope_parameters.rope_theta).toBe(2000000)
  })

  it('has a window only where nothing is rotated', () => {
    const given = { model_type: 'smollm3', use_sliding_window: true, sliding_window: 5 }
    expect(windows(given)).toEqual([0, 0, 0, 5])
  })
})

it.each(['embedding_multiplier', 'logits_scaling', 'residual_multiplier', 'attention_multiplier'])(
  'Granite: %s must be a positive number',
  (key) => {
    const config = new PretrainedConfig({ ...sizes, model_type: 'granite', [key]: 0 })
    expect(() => blueprintOf(config)).toThrow(`config: '${key}' must be a positive number, got 0`)
  },
)

it('what a family has for fields left out is its own', () => {
  const { num_key_value_heads: _, ...few } = { ...sizes, num_attention_heads: 8 }
  expect(new PretrainedConfig({ ...few, model_type: 'mistral' })).toMatchObject({
    ...{ num_key_value_heads: 8, max_position_embeddings: 131072, architecture: 'MistralForCausalLM' },
  })
  expect(
    new PretrainedConfig({ ...few, model_type: 'mistral', num_key_value_heads: null }).num_key_value_heads,
  ).toBe(8)
  expect(new PretrainedConfig({ ...sizes, model_type: 'qwen3' }).head_dim).toBe(128)
  const qwen = new PretrainedConfig({ ...sizes, model_type: 'qwen2' })
  expect(qwen).toMatchObject({ max_position_embeddings: 32768, architecture: 'Qwen2ForCausalLM' })
  expect(qwen.to_dict()).toEqual({ ...sizes, model_type: 'qwen2', use_cache: true })
})

describe('rotary parameters', () => {
  const config = (fields: object): PretrainedConfig => new PretrainedConfig({ ...sizes, ...fields })
  const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64 }

  it.each([
    [{ model_type: 'gemma3_text' }, 1e6, 1e4],
    [{ model_type: 'gemma3_text', rope_theta: 5e5, rope_local_base_freq: 2e4 }, 5e5, 2e4],
    [{ model_type: 'olmo3' }, 5e5, 5e5],
  ])('%j: bases of full and of sliding layers', (fields, full, sliding) => {
    const { rope_by_layer_type: ropes } = config(fields)
    expect(ropes).toMatchObject({
      full_attention: { rope_type: 'default', rope_theta: full },
      sliding_attention: { rope_type: 'default', rope_theta: sliding },
    })
  })

  it('rope_scaling of 4.x is of the layers with full attention, where a family has two kinds', () => {
    const { rope_by_layer_type: ropes, rope_parameters } = config({ model_type: 'olmo3', rope_scaling: yarn })
    expect(rope_parameters).toMatchObject({ ...yarn, rope_theta: 5e5 })
    expect(ropes.sliding_attention).toEqual({ rope_type: 'default', rope_theta: 5e5 })
  })

  it('Phi-3: older names, and lengths beside the parameters', () => {
    const factors = { short_factor: [1, 1], long_factor: [2, 3] }
    const { rope_parameters } = config({
      ...{ model_type: 'phi3', partial_rotary_factor: 0.5, max_position_embeddings: 4096 },
      ...{ original_max_position_embeddings: 1024, rope_scaling: { type: 'su', ...factors } },
    })
    expect(rope_parameters).toMatchObject({
      ...{ rope_type: 'longrope', partial_rotary_factor: 0.5, rope_theta: 10000 },
      ...{ original_max_position_embeddings: 1024, factor: 4, ...factors },
    })
  })

  it('Ministral 3 has its own where a config has none', () => {
    expect(config({ model_type: 'ministral3' }).rope_parameters).toMatchObject({
      ...{ rope_type: 'yarn', factor: 16, rope_theta: 1e6, llama_4_scaling_beta: 0.1 },
    })
  })

  it.each([
    [
      { model_type: 'llama', rope_parameters: { full_attention: yarn } },
      "config: 'rope_parameters' has 'full_attention'; a llama model has the same for all layers",
    ],
    [
      { model_type: 'olmo3', rope_parameters: yarn },
      "config: 'rope_parameters' must have 'full_attention' and 'sliding_attention'; it has 'rope_type'",
    ],
    [
      { model_type: 'llama', partial_rotary_factor: 0.5 },
      "config: 'partial_rotary_factor' is 0.5, which models of type 'llama' do not have",
    ],
    [
      { model_type: 'llama', rope_parameters: { ...yarn, llama_4_scaling_beta: 0.1 } },
      "config: 'llama_4_scaling_beta' is 0.1, which models of type 'llama' do not have",
    ],
    [
      { model_type: 'phi3', partial_rotary_factor: 0.1 },
      'partial_rotary_factor 0.1 of a head of 8 leaves 0 to rotate',
    ],
    [
      {
        model_type: 'phi3',
        rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1, 1, 1, 1] },
      },
      "rope_type 'longrope' needs 'short_factor' with 4 positive numbers, got [1]",
    ],
    [{ rope_scaling: { ...yarn, factor: -1 } }, "needs a positive number 'factor' in the config, got -1"],
    [{ rope_theta: 0 }, "config: 'rope_theta' must be a positive number, got 0"],
    [{ rope_scaling: 4 }, "config: 'rope_scaling' must be an object, got 4"],
  ])('%j is refused', (fields, message) => expect(() => config(fields)).toThrow(message))
})

describe('what only some families have', () => {
  const config = (fields: object): PretrainedConfig => new PretrainedConfig({ ...sizes, ...fields })

  it.each([
    [
      { model_type: 'llama', final_logit_softcapping: 30 },
      "'final_logit_softcapping' is an option of gemma2 models",
    ],
    [
      { model_type: 'gemma3_text', attn_logit_softcapping: 50 },
      "'attn_logit_softcapping' is an option of gemma2 models",
    ],
    [
      { model_type: 'qwen3', residual_multiplier: 0.2 },
      "'residual_multiplier' is an option of granite models and would be without effect in one of type 'qwen3'",
    ],
    [
      { model_type: 'llama', no_rope_layers: [1, 1, 1, 0] },
      "'no_rope_layers' is an option of smollm3 models",
    ],
    [
      { model_type: 'gemma2', use_bidirectional_attention: true },
      "'use_bidirectional_attention' is not supported",
    ],
    [
      { model_type: 'gemma2', hidden_activation: 'gelu' },
      "config: hidden_activation 'gelu' is not supported; supported: gelu_pytorch_tanh",
    ],
    [
      { model_type: 'llama', hidden_act: 'gelu_pytorch_tanh' },
      "config: hidden_act 'gelu_pytorch_tanh' is not supported; supported: silu",
    ],
  ])('%j is refused', (fields, message) => expect(() => config(fields)).toThrow(message))

  it.each([
    { model_type: 'llama', final_logit_softcapping: null, embedding_multiplier: 1 },
    { model_type: 'gemma3_text', attn_logit_softcapping: null, use_bidirectional_attention: false },
  ])('%j asks for nothing', (fields) => expect(() => config(fields)).not.toThrow())

  it('Gemma: gelu means its tanh approximation; caps may be turned off', () => {
    expect(config({ model_type: 'gemma', hidden_act: 'gelu' }).activation).toBe('gelu_pytorch_tanh')
    const capped = blueprintOf(config({ model_type: 'gemma2' }))
    expect([capped.logitSoftcap, capped.layers[0]!.attentionSoftcap]).toEqual([30, 50])
    const off = { attn_logit_softcapping: null, final_logit_softcapping: null }
    const plain = blueprintOf(config({ model_type: 'gemma2', ...off }))
    expect([plain.logitSoftcap, plain.layers[0]!.attentionSoftcap]).toEqual([undefined, undefined])
    expect(() => blueprintOf(config({ model_type: 'gemma2', attn_logit_softcapping: -1 }))).toThrow(
      "config: 'attn_logit_softcapping' must be a positive number, got -1",
    )
  })

  it('the scale of embeddings is rounded to their dtype, as Gemma does', () => {
    const weight = Tensor.from(new Float32Array(6), { shape: [2, 3], dtype: 'bfloat16' })
    const traits = { scale: Math.sqrt(3072), roundsScale: true }
    expect(new Embedding('e', weight, traits).scale).toBe(55.5)
    expect(new Embedding('e', weight, { scale: 12.34 }).scale).toBe(12.34)
    weight.dispose()
  })
})
