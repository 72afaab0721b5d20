import type { FloatDType } from '../tensor/dtype'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'

/** Identifies one dropout mask: forward, recompute and backward of a microbatch use the same one. */
export interface DropoutState {
  seed: number
  /** Number of the microbatch, counted over the whole run. */
  microstep: number
}

/** Queries and keys as attention reads them, [T, heads * head_dim] and [T, kv_heads * head_dim], and lse [heads, T]. */
export interface Attended {
  q: Tensor
  k: Tensor
  lse: Tensor
  shape: { heads: number; kvHeads: number; headDim: number; window: number; softcap?: number | undefined }
  /** Of the products of queries and keys. */
  scale: number
}

/** What every layer needs to know about the current pass. T tokens; sequences follow each other without padding. */
export interface Context {
  /** Temporaries of the current layer. */
  scope: Scope
  /** int32 [T], restarts with each sequence. */
  positions: Tensor
  /** int32 [sequences + 1]: where each sequence begins. */
  cuSeqlens: Tensor
  /** The largest position + 1; rotary frequencies may depend on it. */
  reach: number
  /** Tokens of the longest sequence; without it the host would have to wait for the device. */
  maxLength: number
  /** torch.autocast's dtype (`bf16: true`): products round their operands and results to it. */
  autocast?: FloatDType | undefined
  /** Set while training; absent in evaluation and generation. */
  dropout?: DropoutState | undefined
  /** The pass is one of training, whether or not its backward runs. Default: false, evaluation or generation. */
  training?: boolean | undefined
  /** Sees what each layer's attention has computed, while it lives. */
  observeAttention?: ((attended: Attended) => void) | undefined
  /** Backward gives the same bits on every run. */
  deterministic?: boolean | undefined
}

/** The same pass with another owner of its temporary tensors. */
export function withScope(ctx: Context, scope: Scope): Context {
  return { ...ctx, scope }
}
