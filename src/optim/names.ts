/** Update rules that exist. */
export type OptimizerKind = 'adamw'

/** Values of the option `optim`. */
export type OptimizerName = 'adamw_torch' | 'adamw_torch_fused' | 'paged_adamw_32bit'

/**
 * Which rule each name stands for. All three are AdamW with 32-bit state, decaying weights before the update: fused and
 * paged say how a GPU runs it and where the state lives.
 */
export const optimizerKinds: Readonly<Record<OptimizerName, OptimizerKind>> = {
  adamw_torch: 'adamw',
  adamw_torch_fused: 'adamw',
  paged_adamw_32bit: 'adamw',
}
