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

/** What backward needs besides the input: gate and up [T, intermediate]. silu(gate) * up is recomputed. */
export interface MlpSaved {
  gate: Tensor
  up: Tensor
  /** By-products of the adapters of gate and up, and of down. */
  lowRank: LowRank
  downLowRank: LowRank
}

/** y = down(silu(gate(x)) * up(x)) */
export class MLP {
  constructor(
    public gate_proj: LinearLayer,
    public up_proj: LinearLayer,
    public down_proj: LinearLayer,
  ) {}

  forward(x: Tensor, ctx: Context): { y: Tensor; saved: MlpSaved } {
    const { ys, lowRank } = project(this.inputs, x, ctx)
    const [gate, up] = ys as [Tensor, Tensor]
    const h = this.activation(gate, up, ctx)
    const out = project([this.down_proj], h, ctx)
    ctx.scope.free(h)
    return { y: out.ys[0]!, saved: { gate, up, lowRank, downLowRank: out.lowRank } }
  }

  /** Returns dx; overwrites the saved tensors with their gradients. x is asked for after the pass that takes the most memory. */
  backward(dy: Tensor, x: () => Tensor, saved: MlpSaved, ctx: Context): Tensor {
    const { gate, up } = saved
    this.backwardActivation(dy, saved, ctx)
    return projectBackward(this.inputs, [gate, up], x(), saved.lowRank, ctx)!
  }

  /** gate and up become their gradients. */
  private backwardActivation(dy: Tensor, saved: MlpSaved, ctx: Context): void {
    const { gate, up, downLowRank } = saved
    const output = [this.down_proj]
    if (!needsOnlyShape(output)) {
      const h = this.activation(gate, up, ctx)
      const dh = projectBackward(output, [dy], h, downLowRank, ctx)!
      ctx.scope.free(h)
      this.swigluBackward(dh, gate, up)
      ctx.scope.free(dh)
      return
    }
    // h comes out of the same pass that needs its gradient, in the gradient's place.
    const { dx, dLowRank } = inputGradient(output, [dy], gate, downLowRank, ctx)
    const dh = dx!
    const h = dLowRank.each[0] && dh
    this.swigluBackward(dh, gate, up, h)
    if (h) lowRankGradient(output, dLowRank, h, ctx)
    ctx.scope.free(dh)
  }

  private swigluBackward(dh: Tensor, gate: Tensor, up: Tensor, h?: Tensor): void {
    addon().swiglu_backward(dh.handle, gate.handle, up.handle, gate.handle, up.handle, h?.handle)
  }

  /** The layers that read this module's input. */
  private get inputs(): LinearLayer[] {
    return [this.gate_proj, this.up_proj]
  }

  private activation(gate: Tensor, up: Tensor, ctx: Context): Tensor {
    const h = ctx.scope.empty(gate.shape, gate.dtype)
    addon().swiglu_forward(gate.handle, up.handle, h.handle)
    return h
  }
}
