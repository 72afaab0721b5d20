import type { PreTrainedTokenizer } from '../data/tokenizer'
import { Linear4bit } from '../nn/linear4bit'
import { Linear8bit } from '../nn/linear8bit'
import { checkNames } from '../options/parse'
import type { MergeOptions } from '../peft/merge-options'
import type { PeftModel } from '../peft/model'

/** One way of merging, compared with the adapter on its base. */
export interface MergeDifference {
  /** e.g. `bfloat16, dequantized` */
  merged: string
  /** The largest difference of a logit; `mean_logit` is the mean. */
  max_logit: number
  mean_logit: number
  /** The mean over tokens of sum p log(p / q) in nats, where p are the probabilities with the adapter. */
  kl_divergence: number
  /** Share of the tokens whose most probable next token is the same. */
  same_top: number
}

/** The ways of merging, ordered by their difference from the adapter. */
export class MergeDifferences {
  constructor(
    readonly rows: readonly MergeDifference[],
    /** Number of tokens in all texts. */
    readonly tokens: number,
  ) {}
}

export interface MergeDifferencesOptions {
  /** Dtype of full layers. Default: the model's. */
  dtype?: 'float32' | 'bfloat16' | 'float16'
}

/** Merges in each way, measures on the texts, and removes the adapter again. */
export async function mergeDifferences(
  model: PeftModel,
  texts: readonly string[],
  tokenizer: PreTrainedTokenizer,
  options: MergeDifferencesOptions,
): Promise<MergeDifferences> {
  checkNames<MergeDifferencesOptions>('merge_differences', options, ['dtype'])
  if (!Array.isArray(texts) || texts.length === 0)
    throw new TypeError('[merge_differences] texts: needs a list of at least one text')
  const rows = await Promise.all(texts.map((text) => tokenizer.encode(text as string)))
  const expected: Float32Array[] = []
  for (const ids of rows) expected.push(await logitsOf(model, ids))
  const measured: MergeDifference[] = []
  for (const [merged, way] of ways(model, options.dtype ?? model.base_model.dtype)) {
    await model.merge_adapter(way)
    try {
      const tally = new Tally(model.config.vocab_size)
      for (const [i, ids] of rows.entries()) tally.add(expected[i]!, await logitsOf(model, ids))
      measured.push({ merged, ...tally.result })
    } finally {
      model.unmerge_adapter()
    }
  }
  measured.sort((a, b) => a.kl_divergence - b.kl_divergence)
  return new MergeDifferences(
    measured,
    rows.reduce((n, ids) => n + ids.length, 0),
  )
}

/** The ways that are possible with this base; for one that is not quantized, only the sum. */
function ways(model: PeftModel, dtype: 'float32' | 'bfloat16' | 'float16'): [string, MergeOptions][] {
  const { base_model: base } = model
  const quantized = [...base.linearSlots()].some((slot) => 'base' in slot.get() && isQuantized(slot.get()))
  if (!quantized) return [[dtype, { dtype }]]
  const sources = (['dequantized', 'original'] as const).filter(
    (source) => source === 'dequantized' || (base.openOriginal && !base.config.quantization_config),
  )
  const { load_in_8bit, bnb_4bit_quant_type } = base.quantization_config ?? {}
  const bits = load_in_8bit ? 'int8' : (bnb_4bit_quant_type ?? '4 bits')
  return sources.flatMap((base_weights): [string, MergeOptions][] => [
    [`${dtype}, ${base_weights}`, { base_weights, dtype }],
    [`${bits} again, ${base_weights}`, { base_weights }],
  ])
}

function isQuantized(layer: object): boolean {
  const { base } = layer as { base?: unknown }
  return base instanceof Linear4bit || base instanceof Linear8bit
}

async function logitsOf(model: PeftModel, ids: number[]): Promise<Float32Array> {
  const { logits } = await model.forward({ input_ids: [ids] })
  return logits.data().finally(() => logits.dispose())
}

class Tally {
  private max = 0
  private sum = 0
  private values = 0
  private kl = 0
  private same = 0
  private tokens = 0

  constructor(private readonly vocab: number) {}

  add(expected: Float32Array, ours: Float32Array): void {
    for (let i = 0; i < expected.length; i++) {
      const difference = Math.abs(expected[i]! - ours[i]!)
      if (!(difference <= this.max)) this.max = difference // a NaN stays
      this.sum += difference
    }
    this.values += expected.length
    for (let at = 0; at < expected.length; at += this.vocab) {
      const [p, q] = [expected, ours].map((all) => all.subarray(at, at + this.vocab)) as [
        Float32Array,
        Float32Array,
      ]
      const [logP, logQ] = [logSum(p), logSum(q)]
      for (let i = 0; i < p.length; i++) {
        const log = p[i]! - logP
        this.kl += Math.exp(log) * (log - (q[i]! - logQ))
      }
      if (top(p) === top(q)) this.same++
      this.tokens++
    }
  }

  get result(): Omit<MergeDifference, 'merged'> {
    return {
      ...{ max_logit: this.max, mean_logit: this.sum / this.values },
      ...{ kl_divergence: Math.max(0, this.kl / this.tokens), same_top: this.same / this.tokens },
    }
  }
}

function top(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0)
}

function logSum(values: Float32Array): number {
  const most = values[top(values)]!
  return most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0))
}
