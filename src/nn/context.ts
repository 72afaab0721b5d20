import type { FloatDType } from '../tensor/dtype'
import type { Scope } from '../tensor/scope'
import type { Tensor } from '../tensor/tensor'

/** Names one dropout mask: forward, recompute and backward of the same microbatch see the same one. */
export interface DropoutState {
  seed: number
  /** Counts microbatches over the whole run. */
  microstep: number
}

/** What every layer needs to know about the pass it is part of. T tokens, sequences one after another. */
export interface Context {
  /** Temporaries of the current layer. */
  scope: Scope
  /** int32 [T], restarts with each sequence. */
  positions: Tensor
  /** int32 [sequences + 1]: where each sequence begins. */
  cuSeqlens: Tensor
  /** The largest position + 1: what rotary frequencies may depend on. */
  reach: number
  /** Tokens of the longest sequence, which the host would have to wait for otherwise. */
  maxLength: number
  /** torch.autocast's dtype (`bf16: true`): products round their operands and results to it. */
  autocast?: FloatDType | undefined
  /** Set while training; absent in evaluation and generation. */
  dropout?: DropoutState | undefined
  /** The backward pass has the same bits each time. */
  deterministic?: boolean | undefined
}

/** The same pass with another owner of the temporaries. */
export function withScope(ctx: Context, scope: Scope): Context {
  return { ...ctx, scope }
}
