import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

export interface AdamWOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.999. */
  beta2?: number
  /** Default 1e-8. */
  eps?: number
  /** Not applied to biases. Default 0. */
  weight_decay?: number
}

interface Moments {
  expAvg: Tensor
  expAvgSq: Tensor
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), torch's order: decay first, then the update. Moments
 * are float32 whatever the parameter's dtype, as bitsandbytes' 32-bit optimizers keep them.
 */
export class AdamW {
  private steps = 0
  private readonly moments: Map<Parameter, Moments> = new Map()
  private readonly options: Required<AdamWOptions>

  constructor(
    readonly parameters: Parameter[],
    options: AdamWOptions = {},
  ) {
    this.options = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0, ...options }
  }

  /** One update of every parameter that has a gradient. */
  step(lr: number): void {
    this.steps += 1
    const { beta1, beta2, eps, weight_decay } = this.options
    for (const p of this.parameters) {
      if (!p.grad) continue
      const { expAvg, expAvgSq } = this.momentsOf(p)
      const decay = decays(p.name) ? weight_decay : 0
      const tensors = [p.data, p.grad, expAvg, expAvgSq] as const
      const [param, grad, m, v] = tensors.map((t) => t.handle)
      addon().adamw(param!, grad!, m!, v!, lr, beta1, beta2, eps, decay, this.steps)
    }
  }

  zeroGrad(): void {
    for (const p of this.parameters) p.zeroGrad()
  }

  private momentsOf(p: Parameter): Moments {
    let moments = this.moments.get(p)
    if (!moments) {
      const zeros = (): Tensor => {
        const t = p.data.device.empty(p.data.shape, 'float32')
        fill(t, 0)
        return t
      }
      moments = { expAvg: zeros(), expAvgSq: zeros() }
      this.moments.set(p, moments)
    }
    return moments
  }

  /** Frees the moments; the parameters belong to the model. */
  dispose(): void {
    for (const { expAvg, expAvgSq } of this.moments.values()) {
      expAvg.dispose()
      expAvgSq.dispose()
    }
    this.moments.clear()
  }
}

/** transformers' rule: neither biases nor norm weights decay. */
export function decays(name: string): boolean {
  return !/(^|\.)bias$|norm/i.test(name)
}
