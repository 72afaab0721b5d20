import type { PackedBatch } from './batch'

/** Rows of one length, or of different lengths (then no mask is needed). */
export type IdRows = readonly (readonly number[] | Int32Array)[]

/** A batch as transformers takes it: [B, S] rows. */
export interface ModelInputs {
  input_ids: IdRows
  /** 1 = token, 0 = padding, on either side. Default: all ones. */
  attention_mask?: IdRows
  /** -100 = ignored. */
  labels?: IdRows
  output_hidden_states?: boolean
}

export function isPacked(batch: ModelInputs | PackedBatch): batch is PackedBatch {
  return 'cu_seqlens' in batch
}

interface PackedInputs {
  packed: PackedBatch
  /** Position b * S + s of every packed token. */
  place: Int32Array
  batchSize: number
  width: number
}

/** @throws Error when the rows of mask or labels do not fit those of input_ids, or a row has no token or an id that is no integer. */
export function packInputs(inputs: ModelInputs): PackedInputs {
  const { input_ids, attention_mask, labels } = inputs
  const width = Math.max(0, ...input_ids.map((row) => row.length))
  const tokens: { id: number; label: number; position: number; place: number }[] = []
  const cu = [0]
  input_ids.forEach((row, b) => {
    for (const [what, other] of [
      ['attention_mask', attention_mask],
      ['labels', labels],
    ] as const) {
      if (other && other[b]?.length !== row.length) {
        throw new Error(
          `[forward] ${what}: row ${b} has ${other[b]?.length ?? 0} entries, input_ids has ${row.length}`,
        )
      }
    }
    const begin = tokens.length
    row.forEach((id, s) => {
      if (attention_mask && !attention_mask[b]![s]) return
      if (!Number.isInteger(id))
        throw new Error(`[forward] input_ids: row ${b} holds ${id}; expected integers`)
      tokens.push({
        id,
        label: labels?.[b]![s] ?? -100,
        position: tokens.length - begin,
        place: b * width + s,
      })
    })
    if (tokens.length === begin) throw new Error(`[forward] row ${b} has no token`)
    cu.push(tokens.length)
  })
  if (tokens.length === 0) throw new Error('[forward] input_ids is empty')
  const packed = {
    input_ids: Int32Array.from(tokens, (t) => t.id),
    labels: Int32Array.from(tokens, (t) => t.label),
    position_ids: Int32Array.from(tokens, (t) => t.position),
    cu_seqlens: Int32Array.from(cu),
  }
  return { packed, place: Int32Array.from(tokens, (t) => t.place), batchSize: input_ids.length, width }
}
