import { NumpyGenerator } from './numpy-random'
import type { Row } from './rows'

/** The parameters of one pass over the data. */
export interface Pass {
  epoch: number
  /** Seed for the order of files; undefined: the order given. */
  fileSeed?: number | bigint
}

/** A function that makes one pass over the rows, in chunks. */
export type RowSource = (pass: Pass) => AsyncIterable<readonly Row[]>

/** Groups of exactly `size` rows; the last may be shorter, unless `dropLast`. */
export async function* regrouped(
  chunks: AsyncIterable<readonly Row[]>,
  size: number,
  dropLast: boolean = false,
): AsyncGenerator<Row[]> {
  let group: Row[] = []
  for await (const rows of chunks) {
    for (const row of rows) {
      group.push(row)
      if (group.length < size) continue
      yield group
      group = []
    }
  }
  if (group.length > 0 && !dropLast) yield group
}

/** The files' rows, file after file, in the order of the pass. */
export function filesInTurn<F>(
  files: readonly F[],
  read: (file: F) => AsyncIterable<readonly Row[]>,
): RowSource {
  return async function* ({ fileSeed }) {
    const order =
      fileSeed === undefined ? files.keys() : new NumpyGenerator(fileSeed).permutation(files.length)
    for (const i of order) yield* read(files[i]!)
  }
}

/** The rows in the order of `datasets`' shuffle buffer: whenever it is full, half of it is returned. */
export function shuffledRows(source: RowSource, seed: number, size: number): RowSource {
  return async function* ({ epoch, fileSeed }) {
    // Each epoch uses another seed.
    const own = epoch === 0 ? seed : (new NumpyGenerator(seed).next64() >> 1n) - BigInt(epoch)
    const generator = new NumpyGenerator(own)
    let buffer: Row[] = []
    for await (const rows of source({ epoch, fileSeed: fileSeed ?? own })) {
      for (const row of rows) {
        buffer.push(row)
        if (buffer.length < size) continue
        const mixed = inOrder(buffer, generator)
        const given = size - Math.floor(size / 2)
        yield mixed.slice(0, given)
        buffer = mixed.slice(given)
      }
    }
    if (buffer.length > 0) yield inOrder(buffer, generator)
  }
}

function inOrder(rows: readonly Row[], generator: NumpyGenerator): Row[] {
  return Array.from(generator.permutation(rows.length), (i) => rows[i]!)
}

/** The first `n` rows. They must not depend on a later shuffle, so files stay in order. */
export function taken(source: RowSource, n: number): RowSource {
  return async function* ({ epoch }) {
    let left = n
    if (left <= 0) return
    for await (const rows of source({ epoch })) {
      yield rows.length > left ? rows.slice(0, left) : rows
      left -= rows.length
      if (left <= 0) return
    }
  }
}

/** All but the first `n` rows; files stay in their order. */
export function skipped(source: RowSource, n: number): RowSource {
  return async function* ({ epoch }) {
    let left = n
    for await (const rows of source({ epoch })) {
      if (left < rows.length) yield left > 0 ? rows.slice(left) : rows
      left = Math.max(0, left - rows.length)
    }
  }
}
