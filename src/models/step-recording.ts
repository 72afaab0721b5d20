import type { CachePosition, LayerCache } from '../nn/attention'
import type { LinearLayer } from '../nn/linear'
import { logitsOf } from '../nn/loss'
import { Recording } from '../tensor/recording'
import { argmaxRows, copy } from '../tensor/ops'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import type { CausalLM } from './causal-lm'

/** What a recorded step reads and writes, in addition to the model. */
export interface RecordedCache {
  readonly layers: readonly LayerCache[]
  readonly lengths: readonly number[]
  readonly capacity: number
}

/** Steps that are enqueued before they are asked for, as if each row went on with its most probable token. */
export interface Lookahead {
  /** Who will ask for them: what was enqueued for another is forgotten. */
  owner: object
  steps: number
}

/** A step under way, and how many tokens the rows had before it. */
interface Pending {
  lengths: readonly number[]
  largest: Promise<Int32Array>
}

/**
 * The recorded step that adds one token to each of `rows` of a cache. Ids, positions and lengths are read on
 * the device, so the same operations can be used for every length up to the cache's capacity.
 */
export class StepRecording {
  private readonly scope: Scope
  /** int32: ids, positions and places of the rows, then where each sequence's keys begin. */
  private readonly inputs: Tensor
  private readonly logits: Tensor
  private readonly largest: Tensor
  private readonly recording: Recording
  private readonly layers: readonly Placed[]
  private readonly embedding: EmbeddingKey
  /** Of `inputs`, all but the ids. */
  private readonly places: Tensor
  private pending: Pending[] = []
  private owner: object | undefined
  /** The result of the step before the first that is pending. */
  private latest: Int32Array = new Int32Array()

  constructor(
    private readonly model: CausalLM,
    private readonly rows: readonly number[],
    private readonly cache: RecordedCache,
  ) {
    const { device, parts } = model
    this.scope = device.scope()
    try {
      this.layers = layersOf(model)
      this.embedding = embeddingKey(model)
      const n = rows.length
      // A row is a sequence with one query; the places between its tokens and the next row's form another
      // sequence, without queries.
      const cuQueries = Int32Array.from({ length: 2 * n + 1 }, (_, i) => Math.ceil(i / 2))
      const cuSeqlens = this.scope.add(Tensor.from(cuQueries, { device }))
      this.inputs = this.scope.empty([3 * n + cuQueries.length], 'int32')
      this.places = this.scope.add(this.inputs.view([this.inputs.numel - n], n))
      const part = (begin: number, length: number): Tensor =>
        this.scope.add(this.inputs.view([length], begin))
      const at: CachePosition = {
        begin: rows[0]! * cache.capacity,
        end: (rows.at(-1)! + 1) * cache.capacity,
        cuKeys: part(3 * n, cuQueries.length),
        places: part(2 * n, n),
      }
      this.largest = this.scope.empty([n], 'int32')
      let logits: Tensor | undefined
      using temporaries = device.scope()
      this.recording = new Recording(device, () => {
        const ctx = {
          scope: temporaries,
          positions: part(n, n),
          cuSeqlens,
          maxLength: 1,
          reach: cache.capacity,
        }
        let x = parts.embed_tokens.forward(part(0, n), ctx)
        for (const layer of parts.layers) {
          const y = layer.forwardCached(x, ctx, cache.layers[layer.index]!, at)
          temporaries.add(y)
          x = y
        }
        logits = logitsOf(parts.norm.forward(x, ctx).y, parts, ctx)
        temporaries.keep(logits)
        argmaxRows(logits, this.largest)
        copy(this.largest, part(0, n)) // the ids of the next step, unless others are written
      })
      this.logits = this.scope.add(logits!)
    } catch (e) {
      this.scope.dispose()
      throw e
    }
  }

  /** Whether the model's layers are still the recorded ones. */
  get isCurrent(): boolean {
    const { weight, trainedRows } = embeddingKey(this.model)
    const isSame = weight === this.embedding.weight && trainedRows === this.embedding.trainedRows
    return isSame && this.layers.every(isUnchanged)
  }

  /** Logits after the next token of each row, float32 [rows, vocab]. */
  async logitsAfter(ids: readonly number[]): Promise<Float32Array> {
    this.pending = []
    this.run(ids)
    return await this.logits.data()
  }

  /**
   * The most probable token after the next token of each row. With `ahead`, the device computes further steps meanwhile. Their
   * results are used when the same owner asks for exactly these steps; otherwise they are dropped, and the next step overwrites
   * their keys.
   */
  async largestAfter(ids: readonly number[], ahead?: Lookahead): Promise<Int32Array> {
    const lengths = this.lengths()
    const [next] = this.pending
    const isExpected =
      next !== undefined &&
      ahead?.owner === this.owner &&
      isEqual(ids, this.latest) &&
      isEqual(lengths, next.lengths)
    if (!isExpected) {
      this.pending = []
      this.run(ids)
      this.pending.push(this.result(lengths))
    }
    this.owner = ahead?.owner
    while (this.pending.length <= (ahead?.steps ?? 0) && this.runAhead());
    this.latest = await this.pending.shift()!.largest
    return this.latest
  }

  private lengths(): number[] {
    return this.rows.map((row) => this.cache.lengths[row]!)
  }

  private run(ids: readonly number[]): void {
    this.inputs.write(bytesOf([...ids, ...this.placesAt(this.lengths())]))
    this.recording.replay()
  }

  /** False where a row has no more room. */
  private runAhead(): boolean {
    const lengths = this.pending.at(-1)!.lengths.map((length) => length + 1)
    if (lengths.some((length) => length >= this.cache.capacity)) return false
    this.places.write(bytesOf(this.placesAt(lengths)))
    this.recording.replay()
    this.pending.push(this.result(lengths))
    return true
  }

  private result(lengths: readonly number[]): Pending {
    const largest = this.largest.data<Int32Array>()
    largest.catch(() => undefined) // told to who asks for it; it may be that nobody does
    return { lengths, largest }
  }

  /** Positions, places and where keys begin, of rows that have so many tokens. */
  private placesAt(lengths: readonly number[]): number[] {
    const { rows, cache } = this
    const begin = rows.map((row) => (row - rows[0]!) * cache.capacity)
    return [
      ...lengths,
      ...rows.map((row, i) => row * cache.capacity + lengths[i]!),
      ...rows.flatMap((_, i) => [begin[i]!, begin[i]! + lengths[i]! + 1]),
      (rows.at(-1)! - rows[0]! + 1) * cache.capacity,
    ]
  }

  dispose(): void {
    this.recording.dispose()
    this.scope.dispose()
  }
}

function bytesOf(values: readonly number[]): Uint8Array {
  return new Uint8Array(Int32Array.from(values).buffer)
}

function isEqual(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  return a.length === b.length && Array.from(a).every((x, i) => x === b[i])
}

/** What the embedding's part of a step depends on besides values. */
type EmbeddingKey = Pick<CausalLM['parts']['embed_tokens'], 'weight' | 'trainedRows'>

function embeddingKey({ parts }: CausalLM): EmbeddingKey {
  const { weight, trainedRows } = parts.embed_tokens
  return { weight, trainedRows }
}

/** A layer at its place, and what its forward depended on. */
interface Placed {
  module: Record<string, unknown>
  name: string
  layer: unknown
  key: unknown
}

/** The layers that a pass runs, as a plain list, since it is checked before each token. */
function layersOf({ parts }: CausalLM): Placed[] {
  const modules: object[] = [parts, ...parts.layers.flatMap(({ self_attn, mlp }) => [self_attn, mlp])]
  return modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, layer]: [string, unknown]) =>
      isLayer(layer)
        ? [{ module: module as Record<string, unknown>, name, layer, key: layer.forwardKey }]
        : [],
    ),
  )
}

function isLayer(value: unknown): value is LinearLayer {
  return typeof value === 'object' && value !== null && 'outFeatures' in value
}

/** Whether the layer is still at its place and would compute the same. */
function isUnchanged({ module, name, layer, key }: Placed): boolean {
  return module[name] === layer && (layer as LinearLayer).forwardKey === key
}
