import { describe, expect, it } from 'vitest'
import { modulesOf, parameterCount, tensorShapes } from '../../src/models/blueprint'
import { PretrainedConfig } from '../../src/models/config'
import { blueprintOf } from '../../src/models/families'
import { load_safetensors } from '../../src/tensor/safetensors'
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
  'tiny-llama',
  'tiny-llama-tied',
  'tiny-llama-bias',
  'tiny-mistral-swa',
  'tiny-qwen2',
  'tiny-qwen3',
  'tiny-smollm3',
  'tiny-granite',
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
