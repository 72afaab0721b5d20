import type { LayerCache } from '../nn/attention'
import { pastOriginal } from '../nn/rope-frequencies'
import { logger } from '../logging'
import { copy } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { CausalLM } from './causal-lm'
import { StepRecording } from './step-recording'

/** The most sets of rows whose recorded steps are kept. */
const MOST_RECORDINGS = 8

/**
 * Keys and values of `rows` growing sequences. In k and v [rows * capacity, kvHeads * headDim] of each layer,
 * row r has the places [r * capacity, (r + 1) * capacity), of which the first `lengths[r]` are filled. All
 * memory is allocated at once.
 */
export class KVCache {
  /** Number of cached tokens, by row. */
  readonly lengths: number[]
  /** The kind of frequencies that a row's keys were rotated with: see `frequencyKind`. */
  readonly kinds: number[]
  layers: LayerCache[]
  private isRecordable = true
  private readonly recordings: Map<string, StepRecording | undefined> = new Map()

  constructor(
    private readonly model: CausalLM,
    /** The most tokens of a row. */
    public capacity: number,
    readonly rows: number = 1,
  ) {
    this.lengths = Array<number>(rows).fill(0)
    this.kinds = Array<number>(rows).fill(0)
    this.layers = this.room(capacity)
  }

  /**
   * The recorded step of these rows (ascending). It is recorded when it is requested for the second time: one
   * step alone is not worth recording, and the first one selects the fastest kernels.
   */
  recordingOf(rows: readonly number[]): StepRecording | undefined {
    const key = rows.join()
    const known = this.recordings.get(key)
    if (known?.isCurrent) return known
    known?.dispose()
    const recording = this.recordings.has(key) ? this.record(rows) : undefined
    this.recordings.delete(key)
    this.recordings.set(key, recording)
    const [oldest] = this.recordings.keys()
    if (this.recordings.size > MOST_RECORDINGS) this.forget(oldest!)
    return recording
  }

  /** Undefined if a step depends on the length by more than what is on the device. */
  private record(rows: readonly number[]): StepRecording | undefined {
    const { model, capacity } = this
    if (!this.isRecordable || frequencyKind(model, 1) !== frequencyKind(model, capacity)) return undefined
    try {
      return new StepRecording(model, rows, this)
    } catch (e) {
      this.isRecordable = false
      logger.info(
        `[generate] steps are enqueued one by one, since they could not be recorded: ${(e as Error).message}`,
      )
      return undefined
    }
  }

  private forget(key: string): void {
    this.recordings.get(key)?.dispose()
    this.recordings.delete(key)
  }

  private room(capacity: number): LayerCache[] {
    const { config, parts, device, dtype } = this.model
    const width = config.num_key_value_heads * config.head_dim
    const empty = (): Tensor => device.empty([this.rows * capacity, width], dtype)
    return parts.layers.map(() => ({ k: empty(), v: empty() }))
  }

  /** Makes room for `capacity` tokens per row; the contents are kept. */
  grow(capacity: number): void {
    if (capacity <= this.capacity) return
    this.forgetAll()
    const layers = this.room(capacity)
    this.layers.forEach((old, i) => {
      this.lengths.forEach((length, row) =>
        copyPlaces(old, row * this.capacity, layers[i]!, row * capacity, length),
      )
      free(old)
    })
    this.layers = layers
    this.capacity = capacity
  }

  /** Removes all but the first `length` tokens of a row. */
  crop(row: number, length: number): void {
    this.lengths[row] = Math.min(this.lengths[row]!, length)
  }

  /** Empties a row if its keys were rotated with other frequencies than a sequence of `length` tokens needs. */
  cropOutdated(row: number, length: number): void {
    if (this.kinds[row] !== frequencyKind(this.model, length)) this.crop(row, 0)
  }

  /** Copies row `from` to row `to`. */
  copyRow(from: number, to: number): void {
    if (from === to) return
    const length = this.lengths[from]!
    for (const layer of this.layers)
      copyPlaces(layer, from * this.capacity, layer, to * this.capacity, length)
    this.lengths[to] = length
    this.kinds[to] = this.kinds[from]!
  }

  private forgetAll(): void {
    for (const key of [...this.recordings.keys()]) this.forget(key)
  }

  dispose(): void {
    this.forgetAll()
    this.layers.forEach(free)
  }
}

/**
 * Sequences of equal kind have the same rotary frequencies, whatever their lengths. 'longrope' has two kinds,
 * by length.
 */
export function frequencyKind({ blueprint }: CausalLM, length: number): number {
  const long = blueprint.layers.find(({ rope }) => rope?.rope_type === 'longrope')
  return long ? pastOriginal(length, long.rope!) : 0
}

function free({ k, v }: LayerCache): void {
  k.dispose()
  v.dispose()
}

function copyPlaces(from: LayerCache, at: number, to: LayerCache, place: number, count: number): void {
  if (count === 0) return
  for (const kind of ['k', 'v'] as const) {
    const source = from[kind].slice(at, at + count)
    const target = to[kind].slice(place, place + count)
    copy(source, target)
    source.dispose()
    target.dispose()
  }
}
