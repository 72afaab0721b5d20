import { keepProducts, type Retention, type LayerPlan } from './memory-plan'
import type { Attention, AttentionSaved, CachePosition, LayerCache } from '../nn/attention'
import { withScope, type Context } from '../nn/context'
import type { MLP } from '../nn/mlp'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add, scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import { backwardMlp, forwardMlp, tensorsOf, type MlpTile } from './mlp-tiles'

type Projections = Pick<AttentionSaved, 'q' | 'k' | 'v' | 'lowRank'>
type AttentionOutput = Pick<AttentionSaved, 'out' | 'lse'>

/**
 * What a layer has besides its input when its backward begins; undefined = to be recomputed. Norm outputs and
 * silu(gate) * up are cheap and always recomputed.
 */
export interface LayerSaved {
  scope: Scope
  qkv: Projections | undefined
  attention: AttentionOutput | undefined
  attnResidual: Tensor | undefined
  mlp: MlpTile[]
}

/** How a forward treats the layer's tensors. */
export interface LayerOptions {
  /** Default: `keepProducts`. */
  plan?: LayerPlan
  /** Tokens that go through the MLP at a time. Default: all. */
  mlpRows?: number | undefined
}

/**
 * One decoder block:
 *   attnResidual = x + s * attention(norm1(x));  y = attnResidual + s * mlp(norm2(attnResidual)), s = residualScale
 */
export class DecoderLayer {
  constructor(
    readonly index: number,
    readonly input_layernorm: RMSNorm,
    readonly self_attn: Attention,
    readonly post_attention_layernorm: RMSNorm,
    readonly mlp: MLP,
    readonly residualScale: number = 1,
  ) {}

  /** Returns y [T, hidden] and what the plan does not recompute, all in `scope`. x is not freed. */
  forward(
    x: Tensor,
    ctx: Context,
    scope: Scope,
    { plan = keepProducts, mlpRows = x.rows }: LayerOptions = {},
  ): { y: Tensor; saved: LayerSaved } {
    using temporaries = x.device.scope()
    const c = withScope(ctx, temporaries)
    const part = <T>(fate: Retention, value: T, tensors: Tensor[]): T | undefined => {
      if (fate === 'recompute') return void tensors.forEach((t) => temporaries.free(t))
      for (const t of tensors) scope.add(temporaries.keep(t))
      return value
    }
    const projections = this.projections(x, c)
    const { q, k, v, lowRank } = projections
    const attention = this.self_attn.attend(projections, c)
    const qkv = part(plan.qkv, projections, [q, k, v, ...tensorsOf(lowRank)])
    const attnResidual = scope.add(temporaries.keep(this.attnResidual(x, attention, c)))
    const saved: LayerSaved = {
      scope,
      qkv,
      attention: part(plan.attention, attention, [attention.out, attention.lse]),
      attnResidual: plan.attnResidual === 'recompute' ? undefined : attnResidual,
      mlp: [],
    }
    const y = saved.attnResidual ? scope.empty(attnResidual.shape, attnResidual.dtype) : attnResidual
    saved.mlp = forwardMlp(this.mlpHalf, attnResidual, y, withScope(ctx, scope), plan.mlp, mlpRows)
    return { y, saved }
  }

  /** y for generation: nothing saved, keys and values go to the cache. */
  forwardCached(x: Tensor, ctx: Context, cache: LayerCache, at: CachePosition): Tensor {
    using scope = x.device.scope()
    const c = withScope(ctx, scope)
    const attnResidual = this.self_attn.forwardCached(this.input_layernorm.forward(x, c).y, c, cache, at)
    add(x, attnResidual, attnResidual, this.residualScale)
    const { y } = this.mlp.forward(this.post_attention_layernorm.forward(attnResidual, c).y, c)
    add(attnResidual, y, y, this.residualScale)
    return scope.keep(y)
  }

  /**
   * dy [T, hidden] becomes the gradient of x in place (when `skipInput`, it is left undefined). Frees saved.scope's
   * tensors as it goes; x and dy belong to the caller.
   */
  backward(dy: Tensor, x: Tensor, saved: LayerSaved, ctx: Context, skipInput: boolean): void {
    using scope = dy.device.scope()
    const c = withScope(ctx, scope)
    let { qkv, attention } = saved
    if (!attention) {
      qkv ??= this.projections(x, c)
      attention = this.self_attn.attend(qkv, c)
    }
    const attnResidual = saved.attnResidual ?? this.attnResidual(x, attention, c)
    backwardMlp(this.mlpHalf, dy, attnResidual, saved.mlp, saved.scope, c)
    for (const owner of [scope, saved.scope]) owner.free(attnResidual)
    const norm1 = this.input_layernorm.forward(x, c)
    qkv ??= this.self_attn.project(norm1.y, c)
    const dbranch = scaled(dy, this.residualScale, scope)
    const dnorm1 = this.self_attn.backward(dbranch, norm1.y, { ...qkv, ...attention }, c, skipInput)
    if (dnorm1) this.input_layernorm.backward(dnorm1, x, norm1.rstd, dy, dy)
    saved.scope.dispose()
  }

  private get mlpHalf(): { norm: RMSNorm; mlp: MLP; scale: number } {
    return { norm: this.post_attention_layernorm, mlp: this.mlp, scale: this.residualScale }
  }

  private projections(x: Tensor, c: Context): Projections {
    const norm1 = this.input_layernorm.forward(x, c).y
    const projections = this.self_attn.project(norm1, c)
    c.scope.free(norm1)
    return projections
  }

  /** x + o_proj(attention) */
  private attnResidual(x: Tensor, { out }: AttentionOutput, c: Context): Tensor {
    const attnResidual = this.self_attn.output(out, c)
    add(x, attnResidual, attnResidual, this.residualScale)
    return attnResidual
  }
}
