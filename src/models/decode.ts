import type { CachePosition } from '../nn/attention'
import type { Context } from '../nn/context'
import { logitsOf } from '../nn/loss'
import { argmaxRows, gatherRows } from '../tensor/ops'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import { toDevice, type PackedBatch } from './batch'
import type { CausalLM } from './causal-lm'
import { frequencyKind, type KVCache } from './kv-cache'
import { contextOf } from './pass'
import type { Lookahead, StepRecording } from './step-recording'
import { checkIds } from './token-ids'

/** The next tokens of one row of a cache. */
export interface RowStep {
  row: number
  ids: readonly number[]
  /** Logits are returned after each of the last `logits` ids. Default 1. */
  logits?: number
  /** Tokens of the whole sequence, if the row is fed in parts. Default: up to and including these ids. */
  length?: number
}

/**
 * One step of generation: ids in, logits out. Feeds each row its next tokens, all rows in one pass. Returns the
 * requested logits, float32 [logits of all steps, vocab], in the order of the steps. Rows of the cache without
 * a step are not changed.
 * @throws Error when a row's tokens do not fit into the cache; RangeError on an id outside the vocabulary.
 */
export async function decodeStep(
  model: CausalLM,
  steps: readonly RowStep[],
  cache: KVCache,
): Promise<Float32Array> {
  const values = await inGroups(model, steps, cache, {
    recorded: async (recording, order) => {
      const { vocab_size: vocab } = model.config
      const logits = await recording.logitsAfter(idsOf(order))
      return (step) => logits.subarray(order.indexOf(step) * vocab, (order.indexOf(step) + 1) * vocab)
    },
    computed: async (logits, group) =>
      slices((await logits?.data()) ?? new Float32Array(0), group, logits?.cols ?? 0),
  })
  return joined(values, Float32Array)
}

/**
 * Like `decodeStep`, but returns the index of the largest value of each row of logits, computed on the device;
 * logits are not copied. With `ahead`, a recorded step also enqueues the steps that come next.
 */
export async function greedyStep(
  model: CausalLM,
  steps: readonly RowStep[],
  cache: KVCache,
  ahead?: Lookahead,
): Promise<Int32Array> {
  const values = await inGroups(model, steps, cache, {
    recorded: async (recording, order) => {
      const ids = await recording.largestAfter(idsOf(order), ahead)
      return (step) => ids.subarray(order.indexOf(step), order.indexOf(step) + 1)
    },
    computed: async (logits, group, scope) => {
      if (!logits) return () => new Int32Array(0)
      const largest = scope.empty([logits.rows], 'int32')
      argmaxRows(logits, largest)
      return slices(await largest.data<Int32Array>(), group, 1)
    },
  })
  return joined(values, Int32Array)
}

/** What is read from a pass: for each of its steps, the values of all its logits. */
interface Taken<T> {
  /** From a recorded pass, whose steps are in ascending order of rows. */
  recorded(recording: StepRecording, order: readonly RowStep[]): Promise<(step: RowStep) => T>
  computed(logits: Tensor | undefined, group: readonly RowStep[], scope: Scope): Promise<(step: RowStep) => T>
}

/** `size` values per row of logits, in the order of the steps. */
function slices<T extends Float32Array | Int32Array>(
  values: T,
  steps: readonly RowStep[],
  size: number,
): (step: RowStep) => T {
  const found = new Map<RowStep, T>()
  let at = 0
  for (const step of steps) found.set(step, values.subarray(at, (at += (step.logits ?? 1) * size)) as T)
  return (step) => found.get(step)!
}

function joined<T extends Float32Array | Int32Array>(values: readonly T[], Kind: new (n: number) => T): T {
  if (values.length === 1) return values[0]!
  const all = new Kind(values.reduce((n, { length }) => n + length, 0))
  let at = 0
  for (const value of values) {
    all.set(value, at)
    at += value.length
  }
  return all
}

const idsOf = (steps: readonly RowStep[]): number[] => steps.flatMap(({ ids }) => ids)

async function inGroups<T>(
  model: CausalLM,
  steps: readonly RowStep[],
  cache: KVCache,
  taken: Taken<T>,
): Promise<T[]> {
  for (const { row, ids } of steps) {
    const end = cache.lengths[row]! + ids.length
    if (end > cache.capacity)
      throw new Error(`[generate] ${end} tokens do not fit into a cache of ${cache.capacity}`)
  }
  // Rows whose keys were rotated with different frequencies cannot be in one pass.
  const groups = new Map<number, RowStep[]>()
  for (const step of steps) {
    const kind = frequencyKind(model, lengthAfter(step, cache))
    groups.set(kind, [...(groups.get(kind) ?? []), step])
    cache.kinds[step.row] = kind
  }
  const values = new Map<RowStep, T>()
  for (const group of groups.values()) {
    const valuesOf = await onePass(model, group, cache, taken)
    for (const step of group) values.set(step, valuesOf(step))
  }
  return steps.map((step) => values.get(step)!)
}

function lengthAfter({ row, ids, length }: RowStep, cache: KVCache): number {
  return length ?? cache.lengths[row]! + ids.length
}

async function onePass<T>(
  model: CausalLM,
  steps: readonly RowStep[],
  cache: KVCache,
  taken: Taken<T>,
): Promise<(step: RowStep) => T> {
  const order = [...steps].sort((a, b) => a.row - b.row)
  const isPlain = order.every(({ ids, logits = 1 }) => ids.length === 1 && logits === 1)
  const recording = isPlain ? cache.recordingOf(order.map(({ row }) => row)) : undefined
  if (recording)
    for (const { row, ids } of order)
      checkIds(`[generate] input_ids: row ${row}`, ids, { vocabSize: model.config.vocab_size })
  using scope = model.device.scope()
  const result = recording
    ? await taken.recorded(recording, order)
    : await taken.computed(passLogits(model, steps, cache, scope), steps, scope)
  for (const { row, ids } of steps) cache.lengths[row]! += ids.length
  return result
}

/** The requested logits, in `scope`; undefined if none are requested. */
function passLogits(
  model: CausalLM,
  steps: readonly RowStep[],
  cache: KVCache,
  scope: Scope,
): Tensor | undefined {
  const upload = (values: number[]): Tensor =>
    scope.add(Tensor.from(Int32Array.from(values), { device: model.device }))
  const { batch: packed, cuKeys, places, first, logits } = packSteps(steps, cache)
  const batch = toDevice(packed, model.config.vocab_size, model.device, scope)
  const reach = Math.max(...steps.map((step) => lengthAfter(step, cache)))
  const ctx = contextOf({ ...batch, reach }, scope, {})
  const at: CachePosition = {
    begin: first,
    end: first + cuKeys.at(-1)!,
    cuKeys: upload(cuKeys),
    places: steps.length === 1 ? places[0]! : upload(places),
  }
  let x = model.parts.embed_tokens.forward(batch.ids, ctx)
  for (const layer of model.parts.layers)
    x = scope.add(layer.forwardCached(x, ctx, cache.layers[layer.index]!, at))
  return logits.length > 0 ? headOf(model, x, logits, ctx) : undefined
}

/** Logits after the tokens at `rows` of x. */
function headOf(model: CausalLM, x: Tensor, rows: number[], ctx: Context): Tensor {
  return logitsOf(model.parts.norm.forward(rowsOf(x, rows, ctx), ctx).y, model.parts, ctx)
}

function rowsOf(x: Tensor, rows: number[], { scope }: Context): Tensor {
  const from = rows[0]!
  if (rows.every((row, i) => row === from + i)) return scope.add(x.slice(from, from + rows.length))
  const index = scope.add(Tensor.from(Int32Array.from(rows), { device: x.device }))
  const out = scope.empty([rows.length, x.cols], x.dtype)
  gatherRows(x, index, out)
  return out
}

interface PackedSteps {
  batch: PackedBatch
  /** Where the keys of each sequence of the batch begin, counted from `first` of the cache. */
  cuKeys: number[]
  /** Cache place of each token. */
  places: number[]
  first: number
  /** Tokens of the batch whose logits are requested. */
  logits: number[]
}

/**
 * Packs the rows one after another. The cache places between the last token of one row and the first of the
 * next form a sequence of keys without queries, so the cache is read without copying.
 */
function packSteps(steps: readonly RowStep[], cache: KVCache): PackedSteps {
  const ids: number[] = []
  const positions: number[] = []
  const places: number[] = []
  const cuQueries = [0]
  const cuKeys = [0]
  const lasts = new Map<RowStep, number>()
  const order = [...steps].sort((a, b) => a.row - b.row)
  const first = order[0]!.row * cache.capacity
  for (const step of order) {
    const begin = step.row * cache.capacity
    if (begin - first > cuKeys.at(-1)!) {
      cuQueries.push(ids.length)
      cuKeys.push(begin - first)
    }
    const past = cache.lengths[step.row]!
    for (const [i, id] of step.ids.entries()) {
      ids.push(id)
      positions.push(past + i)
      places.push(begin + past + i)
    }
    cuQueries.push(ids.length)
    cuKeys.push(begin - first + past + step.ids.length)
    lasts.set(step, ids.length)
  }
  const logits = steps.flatMap((step) => {
    const { logits: count = 1 } = step
    return Array.from({ length: count }, (_, i) => lasts.get(step)! - count + i)
  })
  const batch = {
    input_ids: Int32Array.from(ids),
    labels: new Int32Array(ids.length).fill(-100),
    position_ids: Int32Array.from(positions),
    cu_seqlens: Int32Array.from(cuQueries),
  }
  return { batch, cuKeys, places, first, logits }
}
