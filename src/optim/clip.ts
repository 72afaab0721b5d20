import { addon } from '../native/addon'
import type { Parameter } from '../nn/parameter'
import type { Tensor } from '../tensor/tensor'

const gradients = (parameters: readonly Parameter[]): Tensor[] => parameters.flatMap((p) => p.grad ?? [])

/**
 * The norm of all gradients together, float32 [1] on their device; undefined if there is no gradient. The
 * caller disposes of it. It is enqueued, not awaited: `Optimizer.step(lr, { norm, max_norm })` clips without
 * the host knowing the norm.
 */
export function gradNorm(parameters: readonly Parameter[]): Tensor | undefined {
  const grads = gradients(parameters)
  if (grads.length === 0) return undefined
  const norm = grads[0]!.device.empty([1], 'float32')
  addon().global_norm(
    grads.map((g) => g.handle),
    norm.handle,
  )
  return norm
}

/**
 * torch's clip_grad_norm_: all gradients *= min(1, maxNorm / (norm + 1e-6)), norm over all of them together. Returns the norm
 * before clipping, 0 when there is no gradient. `maxNorm` 0 only measures.
 */
export async function clipGradNorm(parameters: readonly Parameter[], maxNorm: number): Promise<number> {
  using norm = gradNorm(parameters)
  if (!norm) return 0
  const handles = gradients(parameters).map((g) => g.handle)
  if (maxNorm > 0) addon().clip_by_norm(handles, norm.handle, maxNorm)
  return norm.item()
}
