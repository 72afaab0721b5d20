import type { LayerUpdate } from '../nn/merged-rows'
import type { Tensor } from '../tensor/tensor'
import type { LoraConfig } from './config'
import { KEY_PREFIX } from './inject'
import { scalingFor } from './targets'

/** An adapter as changes of a checkpoint's tensors; made from its tensors, by the keys of an adapter file. */
export class AdapterUpdate {
  /** By module path, e.g. `model.layers.0.self_attn.q_proj`. */
  readonly layers: Map<string, LayerUpdate> = new Map()
  /** By checkpoint key: tensors that replace the checkpoint's, which are trained biases and a trained head. */
  readonly replaced: Map<string, Tensor> = new Map()

  constructor(
    readonly config: LoraConfig,
    tensors: ReadonlyMap<string, Tensor>,
  ) {
    for (const [key, tensor] of tensors) {
      const path = key.slice(KEY_PREFIX.length)
      const adapted = /^(.*)\.lora_A\.weight$/.exec(path)?.[1]
      if (adapted !== undefined) {
        const part = (suffix: string): Tensor | undefined => tensors.get(`${KEY_PREFIX}${adapted}.${suffix}`)
        this.layers.set(adapted, {
          ...{ a: tensor, b: part('lora_B.weight')!, scaling: scalingFor(adapted, config) },
          magnitude: part('lora_magnitude_vector'),
        })
      } else if (/(?<!\.lora_B|\.base_layer)\.weight$|\.bias$/.test(path))
        this.replaced.set(path.replace('.base_layer', ''), tensor)
    }
  }

  /** Whether the head gets values of its own, which a tied head does not have. */
  get changesHead(): boolean {
    return this.layers.has('lm_head') || this.replaced.has('lm_head.weight')
  }
}
