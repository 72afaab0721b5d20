import { expect, it } from 'vitest'
import { PretrainedConfig } from '../../src/models/config'
import { attentionFactor, inverseFrequencies, type RopeParameters } from '../../src/nn/rope-frequencies'
import { goldenJson, relative } from './support'

interface Case {
  rope_parameters: RopeParameters
  head_dim: number
  length: number
  inv_freq: number[]
  attention_factor: number
}

it.each(goldenJson<Case[]>('rope.json').map((c) => [c.rope_parameters.rope_type, c.length, c] as const))(
  '%s, a pass of %i tokens: frequencies and factor of transformers (rope.py)',
  (_, length, { rope_parameters, head_dim, inv_freq, attention_factor }) => {
    // As a Phi-3, which alone has partial rotation; its name 'yarn' means longrope.
    const model_type = rope_parameters.rope_type === 'longrope' ? 'phi3' : 'llama'
    const config = new PretrainedConfig({
      ...{ vocab_size: 8, hidden_size: head_dim, intermediate_size: 8, num_hidden_layers: 1 },
      ...{ num_attention_heads: 1, head_dim, max_position_embeddings: 16384 },
      ...{ model_type, original_max_position_embeddings: rope_parameters.original_max_position_embeddings },
      rope_parameters,
    })
    const rope = config.rope_parameters
    expect(relative(inverseFrequencies(head_dim, rope, length), inv_freq)).toBeLessThanOrEqual(3e-7)
    const ours = inverseFrequencies(head_dim, rope, length)
    inv_freq.forEach((f, i) => expect(Math.abs(ours[i]! / f - 1)).toBeLessThanOrEqual(2e-6))
    expect(attentionFactor(rope)).toBeCloseTo(attention_factor, 12)
  },
)
