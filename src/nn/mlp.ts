import { addon } from '../native/addon'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { LinearLayer } from './linear'
import {
  lowRankGradient,
  inputGradient,
  needsOnlyShape,
  project,
  projectBackward,
  type LowRank,
} from './projections'
import { joinParts, projectParts } from './split-projections'

/** gate and up [T, intermediate], and the activations of their adapters. */
export interface MlpInner {
  gate: Tensor
  up: Tensor
  lowRank: LowRank
}

/** What backward needs in addition to the input. act(gate) * up is recomputed. */
export interface MlpSaved extends MlpInner {
  /** The activations of down's adapter. */
  downLowRank: LowRank
}

/** The activation of the gate: silu, or gelu with approximate='tanh'. The names are those of a config. */
export type Activation = 'silu' | 'gelu_pytorch_tanh'

/** The layers that compute gate and up, by their names in the checkpoint: one for each, or one for both. */
export type GateUpLayers = { gate_proj: LinearLayer; up_proj: LinearLayer } | { gate_up_proj: LinearLayer }

/** y = down(act(gate(x)) * up(x)) */
export class MLP {
  gate_proj?: LinearLayer
  up_proj?: LinearLayer
  gate_up_proj?: LinearLayer

  constructor(
    gateUp: GateUpLayers,
    public down_proj: LinearLayer,
    readonly activation: Activation = 'silu',
  ) {
    Object.assign(this, gateUp)
  }

  forward(x: Tensor, ctx: Context): { y: Tensor; saved: MlpSaved } {
    const inner = this.inner(x, ctx)
    const { y, downLowRank } = this.output(inner, ctx)
    return { y, saved: { ...inner, downLowRank } }
  }

  inner(x: Tensor, ctx: Context): MlpInner {
    const width = this.down_proj.inFeatures
    const { ys, lowRank } = projectParts(this.inputs, [width, width], x, ctx)
    const [gate, up] = ys as [Tensor, Tensor]
    return { gate, up, lowRank }
  }

  output({ gate, up }: MlpInner, ctx: Context): { y: Tensor; downLowRank: LowRank } {
    const h = this.product(gate, up, ctx)
    const { ys, lowRank } = project([this.down_proj], h, ctx)
    ctx.scope.free(h)
    return { y: ys[0]!, downLowRank: lowRank }
  }

  /**
   * Returns dx; overwrites the saved tensors with their gradients. `x` is called after the step that uses the
   * most memory.
   */
  backward(dy: Tensor, x: () => Tensor, saved: MlpSaved, ctx: Context): Tensor {
    const { gate, up } = saved
    this.backwardActivation(dy, saved, ctx)
    const dys = joinParts(this.inputs, [gate, up], ctx)
    return projectBackward(this.inputs, dys, x(), saved.lowRank, ctx)!
  }

  /** Overwrites gate and up with their gradients. */
  private backwardActivation(dy: Tensor, saved: MlpSaved, ctx: Context): void {
    const { gate, up, downLowRank } = saved
    const output = [this.down_proj]
    if (!needsOnlyShape(output)) {
      const h = this.product(gate, up, ctx)
      const dh = projectBackward(output, [dy], h, downLowRank, ctx)!
      ctx.scope.free(h)
      this.productBackward(dh, gate, up)
      ctx.scope.free(dh)
      return
    }
    // One pass computes h and, from it, its gradient, which overwrites h.
    const { dx, dLowRank } = inputGradient(output, [dy], gate, downLowRank, ctx)
    const dh = dx!
    const h = dLowRank.each[0] && dh
    this.productBackward(dh, gate, up, h)
    if (h) lowRankGradient(output, dLowRank, h, ctx)
    ctx.scope.free(dh)
  }

  private productBackward(dh: Tensor, gate: Tensor, up: Tensor, h?: Tensor): void {
    const name = this.activation === 'silu' ? 'swiglu_backward' : 'geglu_backward'
    addon()[name](dh.handle, gate.handle, up.handle, gate.handle, up.handle, h?.handle)
  }

  /** The layers that read this module's input. */
  private get inputs(): LinearLayer[] {
    return this.gate_up_proj ? [this.gate_up_proj] : [this.gate_proj!, this.up_proj!]
  }

  /** act(gate) * up */
  private product(gate: Tensor, up: Tensor, ctx: Context): Tensor {
    const h = ctx.scope.empty(gate.shape, gate.dtype)
    const name = this.activation === 'silu' ? 'swiglu_forward' : 'geglu_forward'
    addon()[name](gate.handle, up.handle, h.handle)
    return h
  }
}
