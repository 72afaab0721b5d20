import { z } from 'zod'
import type { OptionSet } from '../options/declaration'
import { countOrNull } from '../options/schemas'
import { parseOptions } from '../options/parse'
import type { Tensor } from '../tensor/tensor'
import type { Adapter } from './adapter-set'
import { LoraConfig } from './config'
import type { ParsedWeightedOptions, WeightedOptions } from './options.generated'
import { bestOfRank, type Columns } from './small-svd'
import { scalingFor } from './targets'

export type { WeightedOptions } from './options.generated'

const density =
  'it belongs to combination types that leave values out at random or by size, which are not built.'

/** The options of `add_weighted_adapter`, in addition to adapters, weights and the new name. */
export const weightedOptionSet: OptionSet<ParsedWeightedOptions> = {
  owner: 'add_weighted_adapter',
  options: {
    combination_type: {
      schema: z.enum(['svd', 'linear', 'cat']),
      default: 'svd',
      doc: "'svd': the best adapter of rank svd_rank for the weighted sum of the updates; 'cat': exactly that sum, of all ranks together; 'linear': sums of A and of B, a rough one, of adapters of one rank.",
    },
    svd_rank: {
      schema: countOrNull(1),
      default: null,
      doc: "Rank of 'svd'; null: the largest of the adapters.",
    },
  },
  refused: {
    density: { default: null, reason: density },
    majority_sign_method: { default: 'total', reason: density },
    svd_clamp: { default: null, reason: 'values are not clamped.' },
    svd_full_matrices: { default: true, neutral: [false], reason: 'it changes no result.' },
    svd_driver: { default: null, reason: 'there is one.' },
  },
}

/** A and B of one layer of one adapter, and its weight in the sum. */
interface Part {
  a: Float32Array
  b: Float32Array
  rank: number
  weight: number
}

/** The configuration of a weighted sum, and its A [r, in] and B [out, r] by layer name. */
export interface WeightedSum {
  config: LoraConfig
  layers(): AsyncGenerator<{ name: string; a: Float32Array; b: Float32Array }>
}

/**
 * The weighted sum of adapters as one adapter (PEFT's add_weighted_adapter). Its scale is 1, since its
 * lora_alpha is its rank.
 * @throws Error on adapters that cannot be summed; RangeError on weights that do not fit them.
 */
export function weightedSum(
  adapters: readonly Adapter[],
  weights: readonly number[],
  options: WeightedOptions = {},
): WeightedSum {
  const o = parseOptions(weightedOptionSet, options)
  const fail = (text: string): never => {
    throw new Error(`[add_weighted_adapter] ${text}`)
  }
  if (adapters.length === 0) fail('adapters is empty: name at least one')
  if (weights.length !== adapters.length || !weights.every(Number.isFinite))
    throw new RangeError(
      `[add_weighted_adapter] weights: got ${JSON.stringify(weights)}, needs ${adapters.length} numbers, one for each adapter`,
    )
  for (const { config } of adapters) {
    if (config.use_dora) fail('adapters with DoRA are no sums of updates')
    if (config.modules_to_save !== null && config.modules_to_save.length > 0)
      fail('adapters with modules_to_save cannot be summed: whole modules have no weighted sum here')
  }
  const kind = adapters.length === 1 ? 'linear' : o.combination_type
  const ranks = adapters.map(({ config }) => Math.max(config.r, ...Object.values(config.rank_pattern)))
  if (kind === 'linear' && new Set(ranks).size > 1)
    fail(
      `combination_type 'linear' needs adapters of one rank, got ${ranks.join(', ')}; 'svd' and 'cat' do not`,
    )
  const sum = ranks.reduce((a, b) => a + b)
  const r = kind === 'cat' ? sum : kind === 'svd' ? (o.svd_rank ?? Math.max(...ranks)) : ranks[0]!
  const names = [...new Set(adapters.flatMap(({ injection }) => injection.layerNames))]
  const config = new LoraConfig({
    ...adapters[0]!.config,
    ...{ r, lora_alpha: r, use_rslora: false, rank_pattern: {}, alpha_pattern: {}, target_modules: names },
    ...{ exclude_modules: null, layers_to_transform: null, layers_pattern: null },
  })
  async function* layers(): AsyncGenerator<{ name: string; a: Float32Array; b: Float32Array }> {
    for (const name of names) {
      const parts: Part[] = []
      for (const [i, { config, injection }] of adapters.entries()) {
        const found = injection.weightsOf(name)
        if (!found) continue
        parts.push({ ...(await read(found)), weight: weights[i]! * scalingFor(name, config) })
      }
      yield { name, ...combine(parts, kind, r) }
    }
  }
  return { config, layers }
}

async function read({ a, b }: { a: Tensor; b: Tensor }): Promise<Omit<Part, 'weight'>> {
  return { a: await a.data(), b: await b.data(), rank: a.rows }
}

function combine(
  parts: readonly Part[],
  kind: 'svd' | 'linear' | 'cat',
  r: number,
): { a: Float32Array; b: Float32Array } {
  const { a: firstA, b: firstB, rank } = parts[0]!
  const [inFeatures, outFeatures] = [firstA.length / rank, firstB.length / rank]
  const a = new Float32Array(r * inFeatures)
  const b = new Float32Array(outFeatures * r)
  if (kind === 'linear') {
    for (const part of parts) {
      const size = Math.sqrt(Math.abs(part.weight))
      part.a.forEach((value, i) => (a[i]! += Math.sign(part.weight) * size * value))
      for (let o = 0; o < outFeatures; o++)
        for (let k = 0; k < part.rank; k++) b[o * r + k]! += size * part.b[o * part.rank + k]!
    }
    return { a, b }
  }
  const right: Columns = parts.flatMap(({ a: rows, rank: n }) =>
    Array.from({ length: n }, (_, k) =>
      Float64Array.from(rows.subarray(k * inFeatures, (k + 1) * inFeatures)),
    ),
  )
  const left: Columns = parts.flatMap(({ b: values, rank: n, weight }) =>
    Array.from({ length: n }, (_, k) =>
      Float64Array.from({ length: outFeatures }, (_unused, o) => weight * values[o * n + k]!),
    ),
  )
  const factors = kind === 'svd' ? bestOfRank(left, right, r) : { left, right }
  factors.right.forEach((row, k) => a.set(row, k * inFeatures))
  factors.left.forEach((column, k) => column.forEach((value, o) => (b[o * r + k] = value)))
  return { a, b }
}
