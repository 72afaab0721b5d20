import type { LayerUpdate } from '../nn/merged-rows'
import type { Tensor } from '../tensor/tensor'
import type { LoraConfig } from './config'
import { KEY_PREFIX } from './keys'
import { scalingFor } from './targets'
import { trainedRowsOf } from './trained-modules'

/** An adapter as changes of a checkpoint's tensors; made from its tensors, by the keys of an adapter file. */
export class AdapterUpdate {
  /** By module path, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly layers: Map<string, LayerUpdate> = new Map()
  /** By checkpoint key: rows that replace the checkpoint's, those of trained tokens. */
  readonly rows: Map<string, { indices: readonly number[]; values: Tensor }> = new Map()
  /** By checkpoint key: tensors that replace the checkpoint's: trained biases, a trained head or embedding. */
  readonly replaced: Map<string, Tensor> = new Map()

  constructor(
    readonly config: LoraConfig,
    tensors: ReadonlyMap<string, Tensor>,
  ) {
    for (const [key, tensor] of tensors) {
      const path = key.slice(KEY_PREFIX.length)
      const table = /^(.*)\.token_adapter\.trainable_tokens_delta$/.exec(path)?.[1]
      if (table !== undefined) {
        this.rows.set(`${table}.weight`, { indices: trainedRowsOf(config, table), values: tensor })
        continue
      }
      const adapted = /^(.*)\.lora_A\.weight$/.exec(path)?.[1]
      if (adapted !== undefined) {
        const part = (suffix: string): Tensor | undefined => tensors.get(`${KEY_PREFIX}${adapted}.${suffix}`)
        this.layers.set(adapted, {
          ...{ a: tensor, b: part('lora_B.weight')!, scaling: scalingFor(adapted, config) },
          magnitude: part('lora_magnitude_vector'),
        })
      } else if (/(?<!\.lora_B|\.base_layer)\.weight$|\.bias$/.test(path))
        this.replaced.set(path.replace(/\.(token_adapter\.)?base_layer/, ''), tensor)
    }
  }

  /** Whether the head gets values other than the embedding's, which a tied head has not. */
  get changesHead(): boolean {
    return (
      this.layers.has('lm_head') ||
      this.replaced.has('lm_head.weight') ||
      this.replaced.has('model.embed_tokens.weight')
    )
  }

  /** A tensor that such an update does not keep apart as A and B; undefined where there is none. */
  get beyondPairs(): string | undefined {
    return [...this.replaced.keys(), ...this.rows.keys()][0]
  }
}
