import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'
import { checkNames } from '../options/parse'
import { Optimizer, type UpdateGroup, type UpdateStep } from './optimizer'
import type { StateOptions } from './state'

export interface LionOptions extends StateOptions {
  /** Weight of the moment in the direction. Default 0.9. */
  beta1?: number
  /** Decay of the moment. Default 0.99. */
  beta2?: number
  /** Not applied to biases and norms. Default 0. */
  weight_decay?: number
}

/**
 * Lion (Chen et al. 2023): p = p (1 - lr·wd) - lr · sign(β1 m + (1 - β1) g), m = β2 m + (1 - β2) g. It has one
 * moment and steps of constant size; its learning rates are 3 to 10 times smaller than AdamW's.
 */
export class Lion extends Optimizer {
  private readonly beta1: number
  private readonly beta2: number

  constructor(parameters: Parameter[], options: LionOptions = {}) {
    checkNames<LionOptions>('Lion', options, ['beta1', 'beta2', 'weight_decay', 'optim_bits', 'is_paged'])
    const { beta1 = 0.9, beta2 = 0.99, weight_decay = 0, ...state } = options
    super(parameters, weight_decay, 1, state)
    this.beta1 = beta1
    this.beta2 = beta2
  }

  protected update(group: UpdateGroup, { lr, norm, max_norm }: UpdateStep): void {
    const { params, grads, state, weightDecay } = group
    const scalars = [norm, max_norm, lr, this.beta1, this.beta2, weightDecay] as const
    if (group.isCoded)
      addon().lion_8bit(params, grads, state[0]!, state[1]!, this.maps.signed.handle, ...scalars)
    else addon().lion(params, grads, state[0]!, ...scalars)
  }
}
