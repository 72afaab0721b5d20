import { checkNames } from '../options/parse'
import type { PackedBatch } from './batch'
import { checkIds } from './token-ids'

/** Rows of one length, or of different lengths without a mask. */
export type IdRows = readonly (readonly number[] | Int32Array)[]

/** A batch as transformers takes it: [B, S] rows. */
export interface ModelInputs {
  input_ids: IdRows
  /** 1 = token, 0 = padding, on either side. Default: all ones. */
  attention_mask?: IdRows
  /** -100 = ignored. */
  labels?: IdRows
  output_hidden_states?: boolean
  /** For small models: the weights are computed on the host, B * heads * S * S numbers a layer. */
  output_attentions?: boolean
  /** Further data for an objective: one value per row. */
  columns?: Readonly<Record<string, readonly unknown[]>>
}

const inputKeys: readonly (keyof ModelInputs)[] = [
  'input_ids',
  'attention_mask',
  'labels',
  'output_hidden_states',
  'output_attentions',
  'columns',
]
export const packedKeys: readonly (keyof PackedBatch)[] = [
  'input_ids',
  'labels',
  'position_ids',
  'cu_seqlens',
  'columns',
]

/** @throws TypeError on an unknown key, with the nearest known one. */
export function checkKeys<T extends object>(
  owner: string,
  batch: T,
  known: readonly (keyof T & string)[],
): void {
  checkNames(owner, batch, known, {}, 'input')
  if (!('input_ids' in batch)) throw new TypeError(`[${owner}] input_ids is missing`)
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

/**
 * The rows without padding, one after another.
 * @throws TypeError on an unknown key; Error when the rows of mask or labels do not fit those of input_ids, a
 * row has no token, or an id or label is outside the vocabulary.
 */
export function packInputs(inputs: ModelInputs, vocabSize: number, owner: string = 'forward'): PackedInputs {
  checkKeys(owner, inputs, inputKeys)
  const { input_ids, attention_mask, labels, columns } = inputs
  for (const [name, values] of Object.entries(columns ?? {})) {
    if (values.length !== input_ids.length)
      throw new Error(
        `[${owner}] columns: ${name} has ${values.length} entries, input_ids has ${input_ids.length} rows`,
      )
  }
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
          `[${owner}] ${what}: row ${b} has ${other[b]?.length ?? 0} entries, input_ids has ${row.length}`,
        )
      }
    }
    const mask = attention_mask?.[b]
    checkIds(`[${owner}] input_ids: row ${b}`, row, { vocabSize, mask })
    if (labels) checkIds(`[${owner}] labels: row ${b}`, labels[b]!, { vocabSize, mask, isLabel: true })
    const begin = tokens.length
    row.forEach((id, s) => {
      if (mask && !mask[s]) return
      tokens.push({
        id,
        label: labels?.[b]![s] ?? -100,
        position: tokens.length - begin,
        place: b * width + s,
      })
    })
    if (tokens.length === begin) throw new Error(`[${owner}] row ${b} has no token`)
    cu.push(tokens.length)
  })
  if (tokens.length === 0) throw new Error(`[${owner}] input_ids is empty`)
  const packed = {
    input_ids: Int32Array.from(tokens, (t) => t.id),
    labels: Int32Array.from(tokens, (t) => t.label),
    position_ids: Int32Array.from(tokens, (t) => t.position),
    cu_seqlens: Int32Array.from(cu),
    ...(columns && { columns }),
  }
  return { packed, place: Int32Array.from(tokens, (t) => t.place), batchSize: input_ids.length, width }
}
