import { permutation } from './random'

/** The supported values of `TrainingArguments.train_sampling_strategy`. */
export type SamplingStrategy = 'random' | 'sequential' | 'group_by_length'

/**
 * The order of rows in one epoch; it depends only on the arguments.
 *
 * `group_by_length` is transformers' rule: a random order is cut into pieces of up to 50 batches (but at
 * least 4 pieces), each sorted by descending length, and the longest row of all is moved to the front, so that
 * a batch that needs too much memory fails at once. Random orders are our own (see `uniformStream`), not
 * torch's.
 */
export function sampleOrder(
  strategy: SamplingStrategy,
  { lengths, batchSize, seed }: { lengths: readonly number[]; batchSize: number; seed: number },
): number[] {
  if (strategy === 'sequential') return lengths.map((_, i) => i)
  const order = permutation(lengths.length, seed)
  if (strategy === 'random') return order
  const lengthOf = (row: number): number => lengths[row] ?? 0
  const batches = Math.max(1, Math.min(Math.floor(lengths.length / (batchSize * 4)), 50))
  const pieces = chunked(order, batches * batchSize).map((piece) =>
    piece.sort((a, b) => lengthOf(b) - lengthOf(a)),
  )
  const [first] = pieces
  const longest = pieces.reduce(
    (best, piece) => (lengthOf(piece[0] ?? 0) > lengthOf(best[0] ?? 0) ? piece : best),
    first ?? [],
  )
  if (first?.[0] !== undefined && longest[0] !== undefined) [first[0], longest[0]] = [longest[0], first[0]]
  return pieces.flat()
}

/** Cuts a list into pieces of `size`; the last may be shorter, unless `dropLast`. */
export function chunked<T>(list: readonly T[], size: number, dropLast: boolean = false): T[][] {
  const chunks: T[][] = []
  for (let i = 0; i < list.length; i += size) chunks.push(list.slice(i, i + size))
  return dropLast ? chunks.filter((chunk) => chunk.length === size) : chunks
}
