import { addon } from '../native/addon'
import type { Tensor } from '../tensor/tensor'
import type { Context } from './context'
import type { LinearLayer } from './linear'

/** What backward needs besides the input: gate and up [T, intermediate]. silu(gate) * up is made again. */
export interface MlpSaved {
  gate: Tensor
  up: Tensor
}

/** y = down(silu(gate(x)) * up(x)) */
export class MLP {
  constructor(
    public gate_proj: LinearLayer,
    public up_proj: LinearLayer,
    public down_proj: LinearLayer,
  ) {}

  forward(x: Tensor, ctx: Context): { y: Tensor; saved: MlpSaved } {
    const gate = this.gate_proj.forward(x, ctx)
    const up = this.up_proj.forward(x, ctx)
    const h = this.activation(gate, up, ctx)
    const y = this.down_proj.forward(h, ctx)
    ctx.scope.free(h)
    return { y, saved: { gate, up } }
  }

  /** Returns dx; overwrites the saved tensors with their gradients. */
  backward(dy: Tensor, x: Tensor, saved: MlpSaved, ctx: Context): Tensor {
    const { gate, up } = saved
    const h = this.activation(gate, up, ctx)
    const dh = this.down_proj.backward(dy, h, ctx)!
    ctx.scope.free(h)
    addon().swiglu_backward(dh.handle, gate.handle, up.handle, gate.handle, up.handle)
    ctx.scope.free(dh)
    const dx = this.gate_proj.backward(gate, x, ctx)!
    this.up_proj.backward(up, x, ctx, { into: dx })
    return dx
  }

  private activation(gate: Tensor, up: Tensor, ctx: Context): Tensor {
    const h = ctx.scope.empty(gate.shape, gate.dtype)
    addon().swiglu_forward(gate.handle, up.handle, h.handle)
    return h
  }
}
