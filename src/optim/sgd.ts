import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'
import { checkNames } from '../options/parse'
import { Optimizer, type UpdateGroup, type UpdateStep } from './optimizer'

export interface SGDOptions {
  /** Default 0: no state is kept. */
  momentum?: number
  /** Share of the gradient that momentum leaves out from the second step on. Default 0. */
  dampening?: number
  /** Look ahead by one step of momentum. Needs momentum above 0 and dampening 0. Default false. */
  nesterov?: boolean
  /** Added to the gradient, as torch does; not for biases and norms. Default 0. */
  weight_decay?: number
}

/**
 * torch's SGD: d = g + wd·p; buf = d at first, then momentum · buf + (1 - dampening) d; p -= lr · buf, or with
 * nesterov lr · (d + momentum · buf). Throws `TypeError` for nesterov without momentum or with dampening.
 */
export class SGD extends Optimizer {
  private readonly options: Required<Omit<SGDOptions, 'weight_decay'>>

  constructor(parameters: Parameter[], options: SGDOptions = {}) {
    checkNames<SGDOptions>('SGD', options, ['momentum', 'dampening', 'nesterov', 'weight_decay'])
    const { momentum = 0, dampening = 0, nesterov = false, weight_decay = 0 } = options
    if (nesterov && !(momentum > 0 && dampening === 0))
      throw new TypeError('[SGD] nesterov needs a momentum above 0 and dampening 0')
    super(parameters, weight_decay, momentum > 0 ? 1 : 0, {})
    this.options = { momentum, dampening, nesterov }
  }

  protected update(group: UpdateGroup, { lr, norm, max_norm, step }: UpdateStep): void {
    const { params, grads, state, weightDecay } = group
    const { momentum, dampening, nesterov } = this.options
    const buffers = state[0] ?? []
    addon().sgd(
      ...([params, grads, buffers, norm, max_norm, lr] as const),
      ...([momentum, dampening, nesterov, weightDecay, step === 1] as const),
    )
  }
}
