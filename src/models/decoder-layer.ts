import type { Attention, AttentionSaved, CachePosition, LayerCache } from '../nn/attention'
import { withScope, type Context } from '../nn/context'
import type { MLP, MlpSaved } from '../nn/mlp'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/** What a layer keeps between forward and backward. Norm outputs and silu(gate) * up are made again. */
export interface LayerSaved {
  scope: Scope
  x: Tensor
  rstd1: Tensor
  attention: AttentionSaved
  /** x + attention */
  middle: Tensor
  rstd2: Tensor
  mlp: MlpSaved
}

/**
 * One decoder block:
 *   middle = x + attention(norm1(x));  y = middle + mlp(norm2(middle))
 */
export class DecoderLayer {
  constructor(
    readonly index: number,
    readonly input_layernorm: RMSNorm,
    readonly self_attn: Attention,
    readonly post_attention_layernorm: RMSNorm,
    readonly mlp: MLP,
  ) {}

  /** Returns y [T, hidden] and the saved tensors, all in `scope`. x is not freed. */
  forward(x: Tensor, ctx: Context, scope: Scope): { y: Tensor; saved: LayerSaved } {
    const c = withScope(ctx, scope)
    const norm1 = this.input_layernorm.forward(x, c)
    const attention = this.self_attn.forward(norm1.y, c)
    scope.free(norm1.y)
    const middle = attention.y
    add(x, middle, middle)
    const norm2 = this.post_attention_layernorm.forward(middle, c)
    const mlp = this.mlp.forward(norm2.y, c)
    scope.free(norm2.y)
    add(middle, mlp.y, mlp.y)
    const saved = { scope, x, rstd1: norm1.rstd, attention: attention.saved, middle, rstd2: norm2.rstd, mlp: mlp.saved }
    return { y: mlp.y, saved }
  }

  /** y for generation: nothing saved, keys and values go to the cache. */
  forwardCached(x: Tensor, ctx: Context, cache: LayerCache, at: CachePosition): Tensor {
    using scope = x.device.scope()
    const c = withScope(ctx, scope)
    const middle = this.self_attn.forwardCached(this.input_layernorm.forward(x, c).y, c, cache, at)
    add(x, middle, middle)
    const { y } = this.mlp.forward(this.post_attention_layernorm.forward(middle, c).y, c)
    add(middle, y, y)
    return scope.keep(y)
  }

  /**
   * dy [T, hidden] becomes the gradient of x in place (when `skipInput`, it is left undefined). Frees saved.scope's
   * tensors as it goes; x and dy belong to the caller.
   */
  backward(dy: Tensor, saved: LayerSaved, ctx: Context, skipInput: boolean): void {
    using scope = dy.device.scope()
    const c = withScope(ctx, scope)
    const norm2 = this.post_attention_layernorm.forward(saved.middle, c).y
    const dnorm2 = this.mlp.backward(dy, norm2, saved.mlp, c)
    scope.free(norm2)
    this.post_attention_layernorm.backward(dnorm2, saved.middle, saved.rstd2, dy, dy)
    scope.free(dnorm2)
    for (const t of [saved.mlp.gate, saved.mlp.up, saved.middle]) saved.scope.free(t)
    const norm1 = this.input_layernorm.forward(saved.x, c).y
    const dnorm1 = this.self_attn.backward(dy, norm1, saved.attention, c, skipInput)
    if (dnorm1) this.input_layernorm.backward(dnorm1, saved.x, saved.rstd1, dy, dy)
    saved.scope.dispose()
  }

  dispose(): void {
    this.input_layernorm.dispose()
    this.post_attention_layernorm.dispose()
    const { q_proj, k_proj, v_proj, o_proj } = this.self_attn
    const { gate_proj, up_proj, down_proj } = this.mlp
    for (const linear of [q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj]) linear.dispose()
  }
}
