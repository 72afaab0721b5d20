import { expect, it } from 'vitest'
import { attentionWorkspace } from '../../src/memory/attention-workspace'
import type { TensorShape } from '../../src/memory/tensor-shape'
import type { DType } from '../../src/tensor/dtype'

const MiB = 2 ** 20

/** Of attention_backward for an 8B's heads. */
function workspace(
  [tokens, sequences, longest]: [number, number, number],
  { deterministic = false, dtype = 'bfloat16' as DType } = {},
): number {
  const tensor = (...shape: number[]): TensorShape => ({ shape, dtype })
  const [q, k, cu] = [tensor(tokens, 4096), tensor(tokens, 1024), tensor(sequences + 1)]
  return attentionWorkspace([q, q, k, k, q, q, cu], [32, 8, 0.1, 0, longest, deterministic])
}
const lse = (tokens: number): number => tokens * 32 * 4

it.each<[string, number, number]>([
  ['rows of one length', workspace([4096, 2, 2048]), 128 * MiB + lse(4096)],
  ['one row: its lse is used in place', workspace([8192, 1, 8192]), 256 * MiB],
  ['rows of different lengths', workspace([1600, 4, 512]), 96 * MiB + lse(1600)],
  ['the same, their lengths unknown', workspace([1600, 4, 0]), 96 * MiB + lse(1600)],
  [
    'own kernels, where rows of different lengths would need over 1 GiB',
    workspace([32760, 9, 8192]),
    lse(32760),
  ],
  ['deterministic', workspace([4096, 2, 2048], { deterministic: true }), (128 + 16) * MiB + lse(4096)],
  [
    'own kernels, where it would be over 1 GiB',
    workspace([32768, 1, 32768], { deterministic: true }),
    lse(32768),
  ],
  ['own kernels for float32', workspace([4096, 2, 2048], { dtype: 'float32' }), lse(4096)],
])('the workspace of attention: %s', (_, bytes, expected) => {
  expect(bytes).toBe(expected)
})
