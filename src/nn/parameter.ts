import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/** The owner of a parameter's gradient, if that is part of a larger tensor. */
export interface GradientHome {
  /** Sets `grad` of every part that has none to zeros. */
  makeGradients(): void
  /** Called when a part frees its gradient or its data. */
  released(): void
}

/** A trainable tensor and its gradient. Frozen weights are plain tensors and need no Parameter. */
export class Parameter {
  /** float32, the shape of `data`; undefined before the first backward and after `zeroGrad`. Backward accumulates. */
  grad: Tensor | undefined

  constructor(
    /** The checkpoint key, e.g. `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`. */
    readonly name: string,
    readonly data: Tensor,
    readonly home?: GradientHome | undefined,
  ) {}

  get numel(): number {
    return this.data.numel
  }

  /** The gradient to accumulate into, zero when it was undefined. */
  gradient(): Tensor {
    if (!this.grad) {
      if (this.home) {
        this.home.makeGradients()
      } else {
        this.grad = this.data.device.empty(this.data.shape, 'float32')
        fill(this.grad, 0)
      }
    }
    return this.grad!
  }

  /** Accumulates into `gradient` from now on, float32 of the shape of `data`. It becomes the parameter's. */
  adoptGradient(gradient: Tensor): void {
    this.grad?.dispose()
    this.grad = gradient
  }

  zeroGrad(): void {
    this.grad?.dispose()
    this.grad = undefined
    this.home?.released()
  }

  dispose(): void {
    this.data.dispose()
    this.zeroGrad()
  }
}
