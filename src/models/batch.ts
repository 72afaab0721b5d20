import type { Device } from '../tensor/device'
import type { Scope } from '../tensor/scope'
import { Tensor } from '../tensor/tensor'
import type { Targets } from '../nn/loss'
import { checkPacked } from './token-ids'

/** Sequences one after another, without padding: the only form of a batch inside the library. T tokens. */
export interface PackedBatch {
  /** int32 [T] */
  input_ids: Int32Array
  /** int32 [T]; -100 = not a target. Not shifted: labels[t] is the token at t. */
  labels: Int32Array
  /** int32 [T] */
  position_ids: Int32Array
  /** int32 [sequences + 1] */
  cu_seqlens: Int32Array
  /** Further data for an objective: one value per sequence. */
  columns?: Readonly<Record<string, readonly unknown[]>> | undefined
}

/** What a batch's memory depends on: its tokens, the number of its sequences, and the tokens of the longest. */
export interface BatchSize {
  tokens: number
  sequences: number
  longest: number
}

export interface DeviceBatch {
  ids: Tensor
  positions: Tensor
  cuSeqlens: Tensor
  /** The largest position + 1. */
  reach: number
  /** Tokens of the longest sequence. */
  maxLength: number
  targets: Targets
  /** Number of predicted tokens. */
  numTargets: number
}

/**
 * Row t predicts token t + 1 of the same sequence, if that is labelled. `bounds`: where each sequence's targets
 * begin, and the end.
 */
export function shiftedTargets(batch: PackedBatch): { rows: number[]; labels: number[]; bounds: number[] } {
  const rows: number[] = []
  const labels: number[] = []
  const bounds = [0]
  for (let s = 0; s + 1 < batch.cu_seqlens.length; s++) {
    for (let t = batch.cu_seqlens[s]! + 1; t < batch.cu_seqlens[s + 1]!; t++) {
      if (batch.labels[t] === -100) continue
      rows.push(t - 1)
      labels.push(batch.labels[t]!)
    }
    bounds.push(rows.length)
  }
  return { rows, labels, bounds }
}

function longestSequence({ cu_seqlens }: PackedBatch): number {
  return cu_seqlens.reduce((most, end, i) => (i === 0 ? 0 : Math.max(most, end - cu_seqlens[i - 1]!)), 0)
}

export function sizeOf(batch: PackedBatch): BatchSize {
  return {
    tokens: batch.input_ids.length,
    sequences: batch.cu_seqlens.length - 1,
    longest: longestSequence(batch),
  }
}

/** Number of predicted tokens: the divisor of a step's loss. */
export function countTargets(batch: PackedBatch): number {
  return shiftedTargets(batch).rows.length
}

/** The batch, extended by a sequence of unlabelled tokens to a length that is a multiple of `multiple`. */
export function alignBatch(batch: PackedBatch, multiple: number): PackedBatch {
  const tokens = batch.input_ids.length
  const missing = (multiple - (tokens % multiple)) % multiple
  if (missing === 0) return batch
  // No spread syntax: a long batch has more tokens than a call can have arguments.
  const extend = (values: Int32Array, more: number[]): Int32Array => {
    const extended = new Int32Array(values.length + more.length)
    extended.set(values)
    extended.set(more, values.length)
    return extended
  }
  const fresh = Array.from({ length: missing }, (_, i) => i)
  return {
    input_ids: extend(batch.input_ids, Array<number>(missing).fill(0)),
    labels: extend(batch.labels, Array<number>(missing).fill(-100)),
    position_ids: extend(batch.position_ids, fresh),
    cu_seqlens: extend(batch.cu_seqlens, [tokens + missing]),
  }
}

/** The size of a batch after `alignBatch`. */
export function alignedSize(size: BatchSize, multiple: number): BatchSize {
  const tokens = Math.ceil(size.tokens / multiple) * multiple
  const missing = tokens - size.tokens
  return {
    tokens,
    sequences: size.sequences + (missing > 0 ? 1 : 0),
    longest: Math.max(size.longest, missing),
  }
}

/** Copies a batch to the device, into `scope`. @throws RangeError when an id or label is outside the vocabulary. */
export function toDevice(batch: PackedBatch, vocabSize: number, device: Device, scope: Scope): DeviceBatch {
  checkPacked('batch', batch, vocabSize)
  const upload = (values: ArrayLike<number>): Tensor =>
    scope.add(Tensor.from(Int32Array.from(values), { device, dtype: 'int32' }))
  const { rows, labels } = shiftedTargets(batch)
  return {
    ids: upload(batch.input_ids),
    positions: upload(batch.position_ids),
    cuSeqlens: upload(batch.cu_seqlens),
    reach: batch.position_ids.reduce((most, p) => Math.max(most, p + 1), 0),
    maxLength: longestSequence(batch),
    targets: { rows: upload(rows), labels: upload(labels) },
    numTargets: rows.length,
  }
}
