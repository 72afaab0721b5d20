import { Embedding } from '../nn/embedding'
import { Linear } from '../nn/linear'
import { checkNames } from '../options/parse'
import { nextSeed } from '../options/seed'
import { copy, fill, matmul, sumRows } from '../tensor/ops'
import { Generator } from '../tensor/random'
import type { Tensor } from '../tensor/tensor'
import type { CausalLM } from './causal-lm'

export interface ResizeOptions {
  /** The number of rows is rounded up to a multiple of this. Default: null, not rounded. */
  pad_to_multiple_of?: number | null
  /**
   * New rows begin at the mean of the old ones, with a trace of their spread (covariance times 1e-9); false: normal with the
   * deviation `initializer_range` of the configuration. Default: true.
   */
  mean_resizing?: boolean
}

/** Of the old rows' covariance, as transformers has it. */
const SPREAD = 1e-9
/** New rows that are made at a time: the noise of one is as long as the vocabulary. */
const ROWS_AT_ONCE = 64

/** The number of rows asked for. @throws TypeError on what is no such number */
export function newRows(model: CausalLM, tokens: number | null, options: ResizeOptions): number {
  checkNames<ResizeOptions>('resize_token_embeddings', options, ['pad_to_multiple_of', 'mean_resizing'])
  const { pad_to_multiple_of: multiple = null } = options
  const wrong = (name: string, value: unknown): never => {
    throw new TypeError(`[resize_token_embeddings] ${name}: got ${String(value)}, needs a whole number >= 1`)
  }
  const isCount = (n: number): boolean => Number.isInteger(n) && n >= 1
  if (tokens !== null && !isCount(tokens)) wrong('new_num_tokens', tokens)
  if (multiple !== null && !isCount(multiple)) wrong('pad_to_multiple_of', multiple)
  const wanted = tokens ?? model.config.vocab_size
  return multiple === null ? wanted : Math.ceil(wanted / multiple) * multiple
}

/** Embedding and head with `rows` rows in place of those that there are, which are freed. A tied head stays tied. */
export function resizeTables(model: CausalLM, rows: number, { mean_resizing = true }: ResizeOptions): void {
  const { parts, blueprint, config } = model
  const random = new Generator(nextSeed() ?? 0)
  const deviation = mean_resizing ? undefined : Number(config.to_dict()['initializer_range'] ?? 0.02)
  const { embed_tokens: embedding } = parts
  const head = parts.lm_head as Linear
  embedding.place('device')
  const table = resized(embedding.weight, rows, random, deviation)
  parts.embed_tokens = new Embedding(embedding.name, table, { scale: embedding.scale })
  parts.lm_head = new Linear(
    head.name,
    blueprint.tied ? table : resized(head.weight, rows, random, deviation),
    head.bias,
  )
  embedding.dispose()
  if (!blueprint.tied) head.weight.dispose()
}

/** `deviation` undefined: new rows at the mean of the old ones. */
function resized(table: Tensor, rows: number, random: Generator, deviation: number | undefined): Tensor {
  const out = table.device.empty([rows, table.cols], table.dtype)
  const kept = Math.min(rows, table.rows)
  using from = table.slice(0, kept)
  using to = out.slice(0, kept)
  copy(from, to)
  if (rows === kept) return out
  using added = out.slice(kept, rows)
  if (deviation === undefined) meanRows(table, added, random)
  else random.normal(added, 0, deviation)
  return out
}

/** out[i] = mean + z_i (table - mean), z_i normal with a variance of SPREAD / rows: normal with the covariance of the rows times SPREAD. */
function meanRows(table: Tensor, out: Tensor, random: Generator): void {
  using scope = table.device.scope()
  const { rows, cols } = table
  const old = scope.empty([rows, cols], 'float32')
  copy(table, old)
  const sum = scope.empty([cols], 'float32')
  sumRows(old, sum, 0)
  const sums = scope.add(sum.view([1, cols]))
  const ones = scope.empty([rows, 1], 'float32')
  fill(ones, 1)
  for (let begin = 0; begin < out.rows; begin += ROWS_AT_ONCE) {
    using part = table.device.scope()
    const n = Math.min(ROWS_AT_ONCE, out.rows - begin)
    const z = part.empty([n, rows], 'float32')
    random.normal(z, 0, Math.sqrt(SPREAD / rows))
    const values = part.empty([n, cols], 'float32')
    matmul(z, old, values)
    // z (table - mean) = z table - (sum of z) mean, and the mean itself is added.
    const weights = part.empty([n, 1], 'float32')
    fill(weights, 1)
    matmul(z, ones, weights, { alpha: -1, beta: 1 })
    matmul(weights, sums, values, { alpha: 1 / rows, beta: 1 })
    copy(values, part.add(out.slice(begin, begin + n)))
  }
}
