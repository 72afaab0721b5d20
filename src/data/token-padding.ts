/** One text's tokens. */
export interface Encoded {
  input_ids: number[]
  /** 1 for a token, 0 for padding. */
  attention_mask: number[]
  /**
   * For each token its [start, end) in the text, in JavaScript string units; [0, 0] for special tokens and
   * padding.
   */
  offset_mapping?: [number, number][]
}

/** Several texts' tokens, one list for each text. */
export interface BatchEncoding {
  input_ids: number[][]
  attention_mask: number[][]
  offset_mapping?: [number, number][][]
}

/** Pads every list to the longest one (at least `to`), rounded up to a multiple of `multipleOf`. */
export function padEncodings(
  batch: BatchEncoding,
  { to, side, padId, multipleOf }: { to: number; side: 'left' | 'right'; padId: number; multipleOf: number },
): BatchEncoding {
  const longest = batch.input_ids.reduce((most, ids) => Math.max(most, ids.length), to)
  const length = Math.ceil(longest / multipleOf) * multipleOf
  const pad = <T>(list: T[], fill: T): T[] => {
    const padding = new Array<T>(length - list.length).fill(fill)
    return side === 'left' ? [...padding, ...list] : [...list, ...padding]
  }
  return {
    input_ids: batch.input_ids.map((ids) => pad(ids, padId)),
    attention_mask: batch.attention_mask.map((mask) => pad(mask, 0)),
    ...(batch.offset_mapping
      ? { offset_mapping: batch.offset_mapping.map((o) => pad<[number, number]>(o, [0, 0])) }
      : {}),
  }
}

/** Converts offsets: the native library counts code points, JavaScript strings UTF-16 units. */
export function utf16Offsets(text: string, offsets: readonly (readonly number[])[]): [number, number][] {
  if (!/[\uD800-\uDBFF]/.test(text)) return offsets.map(([start = 0, end = 0]) => [start, end])
  const unitOf: number[] = []
  let unit = 0
  for (const character of text) {
    unitOf.push(unit)
    unit += character.length
  }
  unitOf.push(unit)
  return offsets.map(([start = 0, end = 0]) => [unitOf[start] ?? unit, unitOf[end] ?? unit])
}
