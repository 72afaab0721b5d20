import { keepProducts, type Retention, type LayerPlan } from './memory-plan'
import type { Attention, AttentionSaved, CachePosition, LayerCache } from '../nn/attention'
import { withScope, type Context } from '../nn/context'
import type { MLP } from '../nn/mlp'
import type { RMSNorm } from '../nn/rms-norm'
import type { Scope } from '../tensor/scope'
import { add, scaled } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import {
  backwardMlp,
  forwardMlp,
  normed,
  normGradient,
  tensorsOf,
  type MlpHalf,
  type MlpTile,
} from './mlp-tiles'

type Projections = Pick<AttentionSaved, 'q' | 'k' | 'v' | 'lowRank'>
type AttentionOutput = Pick<AttentionSaved, 'out' | 'lse'>

/**
 * What a layer's backward has in addition to the input; undefined = to be recomputed. Norm outputs and
 * silu(gate) * up are cheap and always recomputed.
 */
export interface LayerSaved {
  scope: Scope
  qkv: Projections | undefined
  attention: AttentionOutput | undefined
  /**
   * x + o_proj(attention output). In a layer with a norm after attention: that norm's input, o_proj(attention
   * output), whose recomputation costs the product.
   */
  attnResidual: Tensor | undefined
  mlp: MlpTile[]
}

/** How a forward treats the layer's tensors. */
export interface LayerOptions {
  /** Default: `keepProducts`. */
  plan?: LayerPlan
  /** Rows per MLP tile. Default: all in one. */
  mlpRows?: number | undefined
}

/** A layer's norms by their names in the checkpoint. Their positions follow from which of them exist. */
export interface LayerNorms {
  input_layernorm?: RMSNorm | undefined
  /** Before the MLP; in a layer with a norm after the MLP, it is after attention. */
  post_attention_layernorm: RMSNorm
  pre_feedforward_layernorm?: RMSNorm | undefined
  post_feedforward_layernorm?: RMSNorm | undefined
}

/** The output of attention, x plus it, and 1 / rms of it if a norm follows. */
interface Summed {
  output: Tensor
  sum: Tensor
  rstd?: Tensor
}

/**
 * One decoder block, with s = residualScale:
 *   attnResidual = x + s * after1(attention(before1(x)))
 *   y = attnResidual + s * after2(mlp(before2(attnResidual)))
 * Each of before1, after1, before2, after2 is a norm or nothing.
 */
export class DecoderLayer implements LayerNorms {
  readonly input_layernorm: RMSNorm | undefined
  readonly post_attention_layernorm: RMSNorm
  readonly pre_feedforward_layernorm: RMSNorm | undefined
  readonly post_feedforward_layernorm: RMSNorm | undefined

  constructor(
    readonly index: number,
    norms: LayerNorms,
    readonly self_attn: Attention,
    readonly mlp: MLP,
    readonly residualScale: number = 1,
  ) {
    this.input_layernorm = norms.input_layernorm
    this.post_attention_layernorm = norms.post_attention_layernorm
    this.pre_feedforward_layernorm = norms.pre_feedforward_layernorm
    this.post_feedforward_layernorm = norms.post_feedforward_layernorm
  }

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
    const { output, sum, rstd } = this.addAttention(x, this.self_attn.output(attention.out, c), c)
    if (rstd) temporaries.free(rstd)
    scope.add(temporaries.keep(sum))
    const saved: LayerSaved = {
      scope,
      qkv,
      attention: part(plan.attention, attention, [attention.out, attention.lse]),
      attnResidual: this.normAfterAttention
        ? part(plan.attnResidual, output, [output])
        : plan.attnResidual === 'recompute'
          ? undefined
          : sum,
      mlp: [],
    }
    const y = saved.attnResidual === sum ? scope.empty(sum.shape, sum.dtype) : sum
    saved.mlp = forwardMlp(this.mlpHalf, sum, y, withScope(ctx, scope), plan.mlp, mlpRows)
    return { y, saved }
  }

  /** y for generation: nothing is saved; keys and values are written to the cache. */
  forwardCached(x: Tensor, ctx: Context, cache: LayerCache, at: CachePosition): Tensor {
    using scope = x.device.scope()
    const c = withScope(ctx, scope)
    const { sum } = this.addAttention(
      x,
      this.self_attn.forwardCached(normed(this.input_layernorm, x, c), c, cache, at),
      c,
    )
    const { before, after } = this.mlpHalf
    const y = normed(after, this.mlp.forward(normed(before, sum, c), c).y, c)
    add(sum, y, y, this.residualScale)
    return scope.keep(y)
  }

  /**
   * Overwrites dy [T, hidden] with the gradient of x; with `skipInput`, dy is then undefined. Frees the tensors
   * of saved.scope when they are no longer needed. x and dy belong to the caller.
   */
  backward(dy: Tensor, x: Tensor, saved: LayerSaved, ctx: Context, skipInput: boolean): void {
    using scope = dy.device.scope()
    const c = withScope(ctx, scope)
    let { qkv, attention } = saved
    if (!attention) {
      qkv ??= this.projections(x, c)
      attention = this.self_attn.attend(qkv, c)
    }
    const { output, sum, rstd } = this.attnResidual(x, saved, attention, c)
    backwardMlp(this.mlpHalf, dy, sum, saved.mlp, saved.scope, c)
    for (const owner of [scope, saved.scope]) owner.free(sum)
    const before = this.input_layernorm?.forward(x, c)
    const input = before ? before.y : x
    qkv ??= this.self_attn.project(input, c)
    const dbranch = scaled(dy, this.residualScale, scope)
    const doutput = rstd ? normGradient(this.post_attention_layernorm, dbranch, output, rstd, scope) : dbranch
    if (rstd) for (const owner of [scope, saved.scope]) owner.free(output)
    const dinput = this.self_attn.backward(doutput, input, { ...qkv, ...attention }, c, skipInput)
    if (dinput && before) this.input_layernorm!.backward(dinput, x, before.rstd, dy, dy)
    else if (dinput) add(dy, dinput, dy)
    saved.scope.dispose()
  }

  private get normAfterAttention(): RMSNorm | undefined {
    return this.post_feedforward_layernorm && this.post_attention_layernorm
  }

  private get mlpHalf(): MlpHalf {
    const { mlp, residualScale: scale, post_feedforward_layernorm: after } = this
    return {
      before: after ? this.pre_feedforward_layernorm : this.post_attention_layernorm,
      mlp,
      after,
      scale,
    }
  }

  private projections(x: Tensor, c: Context): Projections {
    const input = normed(this.input_layernorm, x, c)
    const projections = this.self_attn.project(input, c)
    if (input !== x) c.scope.free(input)
    return projections
  }

  /** x plus attention's output. Without a norm between them, the output is overwritten with the sum. */
  private addAttention(x: Tensor, output: Tensor, c: Context): Summed {
    const after = this.normAfterAttention?.forward(output, c)
    const sum = after ? after.y : output
    add(x, sum, sum, this.residualScale)
    return { output, sum, ...(after && { rstd: after.rstd }) }
  }

  /** From the saved tensors, or recomputed. */
  private attnResidual(x: Tensor, saved: LayerSaved, { out }: AttentionOutput, c: Context): Summed {
    const kept = saved.attnResidual
    if (kept && !this.normAfterAttention) return { output: kept, sum: kept }
    return this.addAttention(x, kept ?? this.self_attn.output(out, c), c)
  }
}
