import type { Attended } from '../nn/context'
import { Tensor } from '../tensor/tensor'
import type { PackedBatch } from './batch'
import type { CausalLM } from './causal-lm'

/** Most bytes of all layers' weights together. */
const LIMIT = 2 ** 30

/** What a layer left: values on their way to the host. */
interface Layer extends Pick<Attended, 'shape' | 'scale'> {
  values: Promise<[q: Float32Array, k: Float32Array, lse: Float32Array]>
}

/**
 * The weights of attention, exp(score - lse) from each layer's queries, keys and lse, for looking at: the engine itself never makes
 * them. `place`: position b * width + s of every token of the batch.
 * @throws RangeError when they would take more than 1 GiB.
 */
export class AttentionWeights {
  private readonly seen: Layer[] = []
  private readonly rows: number

  constructor(
    model: CausalLM,
    private readonly packed: PackedBatch,
    private readonly place: Int32Array,
    private readonly width: number,
  ) {
    this.rows = packed.cu_seqlens.length - 1
    const { num_hidden_layers: layers, num_attention_heads: heads } = model.config
    const bytes = 4 * layers * this.rows * heads * width * width
    if (bytes > LIMIT)
      throw new RangeError(
        `[forward] output_attentions: ${layers} layers of ${this.rows} x ${heads} x ${width} x ${width} weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, at most 1 GiB is made; give shorter or fewer rows`,
      )
  }

  readonly observe = ({ q, k, lse, shape, scale }: Attended): void => {
    this.seen.push({ shape, scale, values: Promise.all([q.data(), k.data(), lse.data()]) })
  }

  async layers(): Promise<Tensor[]> {
    const tensors: Tensor[] = []
    for (const layer of this.seen) {
      const { heads } = layer.shape
      const shape = [this.rows, heads, this.width, this.width]
      tensors.push(Tensor.from(this.weightsOf(layer, ...(await layer.values)), { shape }))
    }
    return tensors
  }

  private weightsOf(
    { shape, scale }: Layer,
    q: Float32Array,
    k: Float32Array,
    lse: Float32Array,
  ): Float32Array {
    const { heads, kvHeads, headDim, window, softcap = 0 } = shape
    const { width, packed, place } = this
    const tokens = packed.input_ids.length
    const out = new Float32Array(this.rows * heads * width * width)
    for (let b = 0; b < this.rows; b++) {
      const [begin, end] = [packed.cu_seqlens[b]!, packed.cu_seqlens[b + 1]!]
      for (let h = 0; h < heads; h++) {
        const kvHead = Math.floor(h / (heads / kvHeads))
        for (let i = begin; i < end; i++) {
          const row = ((b * heads + h) * width + (place[i]! - b * width)) * width - b * width
          for (let j = window > 0 ? Math.max(begin, i - window + 1) : begin; j <= i; j++) {
            let score = 0
            for (let d = 0; d < headDim; d++)
              score += q[(i * heads + h) * headDim + d]! * k[(j * kvHeads + kvHead) * headDim + d]!
            score *= scale
            if (softcap > 0) score = softcap * Math.tanh(score / softcap)
            out[row + place[j]!] = Math.exp(score - lse[h * tokens + i]!)
          }
        }
      }
    }
    return out
  }
}
