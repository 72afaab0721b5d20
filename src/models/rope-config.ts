import { attentionFactor, inverseFrequencies, type RopeParameters } from '../nn/rope-frequencies'

/** The kinds of layers that `layer_types` names. */
export type LayerType = 'full_attention' | 'sliding_attention'
export const layerTypes: readonly LayerType[] = ['full_attention', 'sliding_attention']

/** How a family's configuration stores the rotary parameters. */
export interface RopeRules {
  /** Base if the config has none. Default: 10000. */
  theta?: number
  /**
   * The scaling applies only to layers with full attention; layers with a window have a base of their own.
   * `slidingThetaKey`: its name in older files, which may omit it.
   */
  byLayerType?: { slidingTheta: number; slidingThetaKey?: string }
  /** Other names of a rope_type in older files. */
  aliases?: Readonly<Record<string, string>>
  /** Parameters for a file without any. */
  otherwise?: Readonly<Record<string, unknown>>
  /** Whether `partial_rotary_factor` is used. Default: no. */
  partial?: boolean
  /** Whether queries are scaled by `llama_4_scaling_beta`. Default: no. */
  scalesQueries?: boolean
}

/**
 * The rotary parameters by layer type, as transformers reads them: 5.x has `rope_parameters`, by layer type if
 * a family has several; 4.x has `rope_theta` and `rope_scaling`.
 * @throws Error on parameters that are invalid or belong to other families.
 */
export function readRope(
  fields: Readonly<Record<string, unknown>>,
  headDim: number,
  rules: RopeRules,
): Record<LayerType, RopeParameters> {
  const given = objectOf(fields, 'rope_parameters')
  const scaling = objectOf(fields, 'rope_scaling')
  const nested = layerTypes.filter((type) => given?.[type] != null)
  if (nested.length > 0 && !rules.byLayerType)
    throw new Error(
      `config: 'rope_parameters' has '${nested[0]}'; a ${String(fields['model_type'])} model has the same for all layers`,
    )
  const read = (own: Record<string, unknown> | undefined, theta: unknown): RopeParameters => {
    const rope = complete({ ...own }, theta, fields, rules)
    inverseFrequencies(headDim, rope) // throws on invalid parameters
    attentionFactor(rope)
    return rope
  }
  const { theta: defaultTheta = 10000, byLayerType, otherwise } = rules
  const theta = fields['rope_theta'] ?? defaultTheta
  if (!byLayerType) {
    const own = given || scaling ? { ...scaling, ...given } : otherwise
    const rope = read(own, theta)
    return { full_attention: rope, sliding_attention: rope }
  }
  if (given && nested.length === 0 && Object.keys(given).length > 0)
    throw new Error(
      `config: 'rope_parameters' must have ${layerTypes.map((type) => `'${type}'`).join(' and ')}; it has '${Object.keys(given).join("', '")}'`,
    )
  const { slidingTheta, slidingThetaKey } = byLayerType
  const sliding = (slidingThetaKey ? fields[slidingThetaKey] : undefined) ?? slidingTheta
  return {
    full_attention: read({ ...scaling, ...objectOf(given ?? {}, 'full_attention') }, theta),
    sliding_attention: read(objectOf(given ?? {}, 'sliding_attention'), sliding),
  }
}

/** The parameters with transformers' defaults. */
function complete(
  own: Record<string, unknown>,
  otherTheta: unknown,
  fields: Readonly<Record<string, unknown>>,
  { aliases = {}, partial = false, scalesQueries = false }: RopeRules,
): RopeParameters {
  const theta = own['rope_theta'] ?? otherTheta
  if (!(typeof theta === 'number' && theta > 0 && Number.isFinite(theta)))
    throw new Error(`config: 'rope_theta' must be a positive number, got ${JSON.stringify(theta)}`)
  const named = String(own['rope_type'] ?? own['type'] ?? 'default')
  const rope = { ...own, rope_theta: theta, rope_type: aliases[named] ?? named } as RopeParameters
  const share = rope.partial_rotary_factor ?? fields['partial_rotary_factor'] ?? 1
  if (partial) rope.partial_rotary_factor = share as number
  else if (share !== 1) throw foreign('partial_rotary_factor', share, fields)
  if (!scalesQueries && rope.llama_4_scaling_beta != null)
    throw foreign('llama_4_scaling_beta', rope.llama_4_scaling_beta, fields)
  const most = fields['max_position_embeddings'] as number
  if (rope.rope_type === 'dynamic') rope.max_position_embeddings = most
  if (rope.rope_type !== 'yarn' && rope.rope_type !== 'longrope') return rope
  const original = fields['original_max_position_embeddings'] ?? rope.original_max_position_embeddings ?? most
  rope.original_max_position_embeddings = original as number
  rope.factor ??= most / rope.original_max_position_embeddings
  return rope
}

function foreign(key: string, value: unknown, fields: Readonly<Record<string, unknown>>): Error {
  return new Error(
    `config: '${key}' is ${JSON.stringify(value)}, which models of type '${String(fields['model_type'])}' do not have`,
  )
}

function objectOf(
  fields: Readonly<Record<string, unknown>>,
  key: string,
): Record<string, unknown> | undefined {
  const value = fields[key] ?? undefined
  if (value !== undefined && (typeof value !== 'object' || Array.isArray(value)))
    throw new Error(`config: '${key}' must be an object, got ${JSON.stringify(value)}`)
  return value as Record<string, unknown> | undefined
}
