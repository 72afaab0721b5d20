/** Label of a token that is not learned. */
export const IGNORE_INDEX = -100

/** The one form of a batch inside the library: all sequences one after the other, without padding. */
export interface PackedBatch {
  /** (T) */
  input_ids: Int32Array
  /** (T) ids, or -100 where nothing is learned. Not shifted: the loss shifts inside each sequence. */
  labels: Int32Array
  /** (T) 0, 1, 2, ... in each sequence. */
  position_ids: Int32Array
  /** (num_sequences + 1) where each sequence begins, and T. */
  cu_seqlens: Int32Array
  /** Next-token targets: labels that are not -100, each sequence's first left out (nothing predicts it). */
  num_items: number
  num_sequences: number
  max_seqlen: number
}

/** A row ready for the collator. */
export interface TokenizedRow {
  input_ids: ArrayLike<number>
  /** As long as `input_ids`; default: `input_ids`, everything is learned. */
  labels?: ArrayLike<number>
  /** Lengths of the separate sequences that a packed row holds; default: one sequence. */
  seq_lengths?: ArrayLike<number>
}

/**
 * Collates rows for language modeling: concatenates them, positions restart with each sequence.
 * Empty sequences are left out. Throws when lengths disagree or nothing is left.
 */
export function collate(rows: readonly TokenizedRow[]): PackedBatch {
  const total = rows.reduce((sum, row) => sum + row.input_ids.length, 0)
  const input_ids = new Int32Array(total)
  const labels = new Int32Array(total)
  const lengths: number[] = []
  let at = 0
  rows.forEach((row, i) => {
    const n = row.input_ids.length
    if (row.labels !== undefined && row.labels.length !== n) {
      throw new Error(`[collate] row ${i} has ${n} input_ids and ${row.labels.length} labels`)
    }
    const inRow = row.seq_lengths === undefined ? [n] : Array.from(row.seq_lengths)
    const sum = inRow.reduce((a, b) => a + b, 0)
    if (sum !== n) throw new Error(`[collate] row ${i} has ${n} input_ids, its seq_lengths add up to ${sum}`)
    input_ids.set(row.input_ids, at)
    labels.set(row.labels ?? row.input_ids, at)
    lengths.push(...inRow)
    at += n
  })
  return packed(
    input_ids,
    labels,
    lengths.filter((length) => length > 0),
  )
}

/** Padded inputs as users and tokenizers give them: B rows of equal length. */
export interface PaddedInputs {
  input_ids: readonly ArrayLike<number>[]
  /** 1 for a token, 0 for padding, on either side; default: all tokens. */
  attention_mask?: readonly ArrayLike<number>[] | undefined
  /** Default: `input_ids`. Labels at padding are dropped with it. */
  labels?: readonly ArrayLike<number>[] | undefined
}

/** Where the tokens of a packed batch stand in the padded form. */
export interface PaddedLayout {
  rows: number
  columns: number
  /** (T) index row * columns + column of each token. */
  positions: Int32Array
}

/**
 * Drops padding by the mask, never by id: a real end token that equals the pad token stays.
 * Throws when shapes disagree or a row has no token.
 */
export function packPadded(inputs: PaddedInputs): { batch: PackedBatch; layout: PaddedLayout } {
  const { input_ids, attention_mask, labels } = inputs
  const rows = input_ids.length
  const columns = input_ids[0]?.length ?? 0
  for (const [name, values] of Object.entries({ input_ids, attention_mask, labels })) {
    if (values === undefined) continue
    const odd = values.find((row) => row.length !== columns)
    if (values.length !== rows || odd) {
      throw new Error(
        `[packPadded] ${name} is ${values.length} rows of ${(odd ?? values[0])?.length}, input_ids is (${rows}, ${columns})`,
      )
    }
  }
  const positions: number[] = []
  const lengths: number[] = []
  for (let r = 0; r < rows; r++) {
    const before = positions.length
    for (let c = 0; c < columns; c++) if (attention_mask?.[r]?.[c] !== 0) positions.push(r * columns + c)
    if (positions.length === before)
      throw new Error(`[packPadded] row ${r} has no token: its attention_mask is all 0`)
    lengths.push(positions.length - before)
  }
  const take = (values: readonly ArrayLike<number>[]): Int32Array =>
    Int32Array.from(positions, (p) => values[Math.floor(p / columns)]?.[p % columns] ?? 0)
  return {
    batch: packed(take(input_ids), take(labels ?? input_ids), lengths),
    layout: { rows, columns, positions: Int32Array.from(positions) },
  }
}

/** Spreads per-token values (T, width) to the padded form (rows, columns, width); padding gets `fill`. */
export function unpackToPadded(
  values: Float32Array,
  width: number,
  layout: PaddedLayout,
  fill: number = 0,
): Float32Array {
  const { rows, columns, positions } = layout
  if (values.length !== positions.length * width) {
    throw new Error(`[unpackToPadded] ${values.length} values for ${positions.length} tokens of ${width}`)
  }
  const out = new Float32Array(rows * columns * width)
  if (fill !== 0) out.fill(fill)
  positions.forEach((p, t) => out.set(values.subarray(t * width, (t + 1) * width), p * width))
  return out
}

function packed(input_ids: Int32Array, labels: Int32Array, lengths: readonly number[]): PackedBatch {
  if (lengths.length === 0) throw new Error('[collate] the batch has no tokens')
  const position_ids = new Int32Array(input_ids.length)
  const cu_seqlens = new Int32Array(lengths.length + 1)
  let num_items = 0
  let max_seqlen = 0
  lengths.forEach((length, s) => {
    const start = cu_seqlens[s] ?? 0
    cu_seqlens[s + 1] = start + length
    max_seqlen = Math.max(max_seqlen, length)
    for (let i = 1; i < length; i++) {
      position_ids[start + i] = i
      if (labels[start + i] !== IGNORE_INDEX) num_items++
    }
  })
  return { input_ids, labels, position_ids, cu_seqlens, num_items, num_sequences: lengths.length, max_seqlen }
}
