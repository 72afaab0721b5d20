import type { Attention, AttentionSaved, CachePosition, LayerCache } from '../nn/attention'
import { withScope, type Context } from '../nn/context'
import type { MLP, MlpSaved } from '../nn/mlp'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'

/**
 * What a layer keeps between forward and backward. Made again: norm outputs and silu(gate) * up, which are cheap, and
 * middle = x + o_proj(heads), whose product is the smallest of the layer for what it frees (a tenth of the whole).
 */
export interface LayerSaved {
  scope: Scope
  x: Tensor
  rstd1: Tensor
  attention: AttentionSaved
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
    scope.free(middle)
    const saved = {
      scope,
      x,
      rstd1: norm1.rstd,
      attention: attention.saved,
      rstd2: norm2.rstd,
      mlp: mlp.saved,
    }
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
    const middle = this.self_attn.output(saved.attention.out, c)
    add(saved.x, middle, middle)
    const norm2 = this.post_attention_layernorm.forward(middle, c).y
    const dnorm2 = this.mlp.backward(dy, norm2, saved.mlp, c)
    scope.free(norm2)
    this.post_attention_layernorm.backward(dnorm2, middle, saved.rstd2, dy, dy)
    for (const t of [dnorm2, middle]) scope.free(t)
    for (const t of [saved.mlp.gate, saved.mlp.up]) saved.scope.free(t)
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
