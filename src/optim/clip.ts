import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'

/**
 * torch's clip_grad_norm_: all gradients *= min(1, maxNorm / (norm + 1e-6)), norm over all of them together. Returns the norm
 * before clipping, 0 when there is no gradient. `maxNorm` 0 only measures.
 */
export async function clipGradNorm(parameters: Parameter[], maxNorm: number): Promise<number> {
  const grads = parameters.flatMap((p) => (p.grad ? [p.grad] : []))
  if (grads.length === 0) return 0
  using norm = grads[0]!.device.empty([1], 'float32')
  const handles = grads.map((g) => g.handle)
  addon().global_norm(handles, norm.handle)
  if (maxNorm > 0) addon().clip_by_norm(handles, norm.handle, maxNorm)
  return norm.item()
}
