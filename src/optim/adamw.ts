import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'
import { checkNames } from '../options/parse'
import { Optimizer, type UpdateGroup, type UpdateStep } from './optimizer'
import type { StateOptions } from './state'

export interface AdamWOptions extends StateOptions {
  /** Default 0.9. */
  beta1?: number
  /** Default 0.999. */
  beta2?: number
  /** Default 1e-8. */
  eps?: number
  /** Not applied to biases and norms. Default 0. */
  weight_decay?: number
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), torch's order: decay first, then the update. Moments
 * are float32 whatever the parameter's dtype, as bitsandbytes' 32-bit optimizers keep them. With `optim_bits: 8` it is
 * bitsandbytes' block-wise 8-bit AdamW (Dettmers et al. 2022) as its GPU kernels have it: the decay comes last, and a gradient
 * that is not finite resets the moments of its element.
 */
export class AdamW extends Optimizer {
  private readonly options: Required<Pick<AdamWOptions, 'beta1' | 'beta2' | 'eps'>>

  constructor(parameters: Parameter[], options: AdamWOptions = {}) {
    checkNames<AdamWOptions>('AdamW', options, [
      'beta1',
      'beta2',
      'eps',
      'weight_decay',
      'optim_bits',
      'is_paged',
    ])
    const { beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0, ...state } = options
    super(parameters, weight_decay, 2, state)
    this.options = { beta1, beta2, eps }
  }

  protected update(group: UpdateGroup, { lr, norm, max_norm, step }: UpdateStep): void {
    const { params, grads, state, weightDecay } = group
    const { beta1, beta2, eps } = this.options
    const scalars = [norm, max_norm, lr, beta1, beta2, eps, weightDecay, step] as const
    if (!group.isCoded) {
      addon().adamw(params, grads, state[0]!, state[1]!, ...scalars)
      return
    }
    const [codes1, absmax1, codes2, absmax2] = state
    const { signed, unsigned } = this.maps
    addon().adamw_8bit(
      ...([params, grads, codes1!, absmax1!, codes2!, absmax2!, signed.handle, unsigned.handle] as const),
      ...scalars,
    )
  }
}
