import { itemsize } from '../tensor/dtype'
import type { TensorShape } from './tensor-shape'

const moderate = 2 ** 28
const most = 2 ** 30
const doubled = (start: number, n: number): number => (start < n ? doubled(start * 2, n) : start)

/** What attention_backward takes on a GPU: as native/cuda/cudnn_form.cpp chooses, else the own kernels' one number a head and token. */
export function attentionWorkspace(
  [, q, k, , , , cu]: readonly TensorShape[],
  [heads, kvHeads, , , maxLength, deterministic]: readonly unknown[],
): number {
  const [tokens, cols] = q!.shape as [number, number]
  const headDim = cols / (heads as number)
  const perHead = (heads as number) * tokens * 4
  const width = itemsize[q!.dtype]
  if (width !== 2 || (headDim !== 64 && headDim !== 128)) return perHead
  const sequences = cu!.shape[0]! - 1
  const longest = Math.min((maxLength as number) || tokens, tokens)
  const isRagged = longest * sequences !== tokens || (longest % 128 !== 0 && longest < 16384)
  const step = doubled(1, tokens + 1) / 8
  const bucket = tokens <= 4096 ? doubled(512, tokens) : Math.ceil(tokens / step) * step
  const rows = isRagged ? bucket : tokens
  const batch = isRagged ? doubled(3, sequences) : sequences
  const length = isRagged ? doubled(512, longest) : longest
  const isGrouped = cols !== k!.shape[1]
  /** With the heads in so many parts. */
  const workspace = (runs: number): number => {
    const sums = (rows * cols * 4) / runs
    const scores = (batch * (heads as number) * length ** 2 * 2) / runs
    const grouped = isGrouped ? sums * (isRagged ? 2 : 1) : 0
    return (deterministic ? scores : sums) + grouped
  }
  const divisors = isRagged
    ? [1]
    : Array.from({ length: kvHeads as number }, (_, i) => i + 1).filter((n) => (kvHeads as number) % n === 0)
  const bytes = workspace(divisors.find((n) => workspace(n) <= moderate) ?? divisors.at(-1)!)
  return bytes > most ? perHead : bytes + (isRagged || sequences > 1 ? perHead : 0)
}
