import { afterEach, describe, expect, it, vi } from 'vitest'

import { logger } from '../../src/logging'
import { LoraConfig, type LoraInit } from '../../src/peft/config'
import { alphaFor, expandTargets, matchTargets, rankFor, scalingFor } from '../../src/peft/targets'

const parts = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
]
const linear = [0, 1, 2].flatMap((i) => parts.map((part) => `model.layers.${i}.${part}`)).concat('lm_head')
const match = (init: LoraInit): string[] => matchTargets(linear, new LoraConfig(init))
const layers = (part: string, ...numbers: number[]): string[] =>
  numbers.map((i) => `model.layers.${i}.${part}`)

afterEach(() => vi.restoreAllMocks())

describe('matchTargets', () => {
  it('takes q_proj and v_proj by default', () => {
    expect(match({})).toEqual(
      [0, 1, 2].flatMap((i) => [`model.layers.${i}.self_attn.q_proj`, `model.layers.${i}.self_attn.v_proj`]),
    )
  })

  it('matches whole names or ends after a dot, not ends within a name', () => {
    expect(match({ target_modules: ['self_attn.o_proj'] })).toEqual(layers('self_attn.o_proj', 0, 1, 2))
    expect(match({ target_modules: ['model.layers.1.mlp.up_proj'] })).toEqual(layers('mlp.up_proj', 1))
    expect(match({ target_modules: ['lm_head'] })).toEqual(['lm_head'])
    expect(() => match({ target_modules: ['proj'] })).toThrow(TypeError)
  })

  it('matches a regular expression against the whole name', () => {
    expect(match({ target_modules: String.raw`.*\.[02]\.mlp\.(up|down)_proj` })).toEqual([
      'model.layers.0.mlp.up_proj',
      'model.layers.0.mlp.down_proj',
      'model.layers.2.mlp.up_proj',
      'model.layers.2.mlp.down_proj',
    ])
    expect(match({ target_modules: '(?P<all>.*)up_proj' })).toHaveLength(3)
    // "fullmatch": an alternative must not escape the anchors.
    expect(() => match({ target_modules: 'q_proj|v_proj' })).toThrow('matches no linear layer')
    expect(() => match({ target_modules: '(' })).toThrow("target_modules: '(' is not a regular expression")
  })

  it("'all-linear' leaves the output head out", () => {
    expect(match({ target_modules: 'All-Linear' })).toEqual(linear.slice(0, -1))
    expect(expandTargets(linear, 'all-linear')).toEqual([
      'down_proj',
      'gate_proj',
      'k_proj',
      'o_proj',
      'q_proj',
      'up_proj',
      'v_proj',
    ])
    expect(expandTargets(linear, null)).toEqual(['q_proj', 'v_proj'])
    expect(expandTargets(linear, '.*q_proj')).toBe('.*q_proj')
  })

  it('takes only the layers asked for', () => {
    expect(match({ target_modules: ['q_proj'], layers_to_transform: 1 })).toEqual(
      layers('self_attn.q_proj', 1),
    )
    expect(match({ target_modules: ['q_proj'], layers_to_transform: [0, 2] })).toEqual(
      layers('self_attn.q_proj', 0, 2),
    )
    expect(match({ target_modules: ['q_proj'], layers_to_transform: [] })).toEqual(
      layers('self_attn.q_proj', 0, 1, 2),
    )
    const withPattern = { target_modules: ['q_proj'], layers_to_transform: [2] }
    expect(match({ ...withPattern, layers_pattern: ['blocks', 'layers'] })).toEqual(
      layers('self_attn.q_proj', 2),
    )
    expect(() => match({ ...withPattern, layers_pattern: 'blocks' })).toThrow(
      'no match in layers_to_transform [2]',
    )
    // A whole name says its layer itself.
    expect(match({ target_modules: ['model.layers.1.mlp.up_proj'], layers_to_transform: 0 })).toEqual(
      layers('mlp.up_proj', 1),
    )
  })

  it('takes away exclude_modules and modules_to_save', () => {
    expect(match({ target_modules: ['q_proj', 'k_proj'], exclude_modules: ['k_proj'] })).toEqual(
      layers('self_attn.q_proj', 0, 1, 2),
    )
    expect(match({ target_modules: ['q_proj'], exclude_modules: String.raw`.*\.1\..*` })).toEqual(
      layers('self_attn.q_proj', 0, 2),
    )
    expect(match({ target_modules: ['lm_head', 'q_proj'], modules_to_save: ['lm_head'] })).not.toContain(
      'lm_head',
    )
    expect(match({ target_modules: ['q_proj', 'up_proj'], modules_to_save: ['mlp'] })).toEqual(
      layers('self_attn.q_proj', 0, 1, 2),
    )
    expect(() => match({ target_modules: ['q_proj'], exclude_modules: ['q_proj'] })).toThrow(
      'taken away by exclude_modules',
    )
  })

  it('says what there is when nothing matches, and warns of a name that matches nothing', () => {
    expect(() => match({ target_modules: ['query'] })).toThrow(
      '[LoraConfig] target_modules ["query"] matches no linear layer. This model has: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, lm_head',
    )
    const warning = vi.spyOn(logger, 'warning').mockImplementation(() => {})
    expect(match({ target_modules: ['q_proj', 'q_prj'] })).toHaveLength(3)
    expect(warning).toHaveBeenCalledExactlyOnceWith(
      "[LoraConfig] unknown name in target_modules 'q_prj'. Did you mean 'q_proj'?",
    )
  })
})

describe('rank, alpha and scale of a layer', () => {
  const config = new LoraConfig({
    r: 16,
    lora_alpha: 32,
    rank_pattern: { 'layers.0.self_attn.q_proj': 4, k_proj: 2 },
    alpha_pattern: { 'self_attn.*': 8 },
  })
  it('comes from the first pattern that matches the end of the name', () => {
    expect(rankFor('model.layers.0.self_attn.q_proj', config)).toBe(4)
    expect(rankFor('model.layers.1.self_attn.q_proj', config)).toBe(16)
    expect(rankFor('model.layers.1.self_attn.k_proj', config)).toBe(2)
    expect(rankFor('model.layers.1.self_attn.kk_proj', config)).toBe(16)
    expect(alphaFor('model.layers.0.self_attn.q_proj', config)).toBe(8)
    expect(alphaFor('model.layers.0.mlp.up_proj', config)).toBe(32)
    expect(scalingFor('model.layers.0.self_attn.q_proj', config)).toBe(2)
    expect(
      scalingFor('model.layers.0.mlp.up_proj', new LoraConfig({ r: 16, lora_alpha: 32, use_rslora: true })),
    ).toBe(8)
  })
})
