import { brotliDecompressSync, gunzipSync } from 'node:zlib'

import { decompress as decompressZstd } from 'fzstd'
import type { AsyncBuffer, ColumnMetaData, Compressors, FileMetaData } from 'hyparquet'
import { compressors as others } from 'hyparquet-compressors'
import { deserializeTCompactProtocol } from 'hyparquet/src/thrift.js'

/** Any data may expand to this many bytes; beyond that, to {@link RATIO} times its size in the file. */
const FREE = 2 ** 26
const RATIO = 256
/** The same for a whole file, whose values are in memory at once: 1 GiB. */
const FREE_FILE = 2 ** 30

/** Throws if `bytes` is too large in proportion to `packed`, the bytes in the file. */
function bound(what: string, bytes: number, packed: number, free: number = FREE): void {
  if (!(bytes >= 0)) throw new Error(`${what} has ${bytes} bytes`)
  if (bytes > free && bytes > RATIO * packed)
    throw new Error(
      `${what} would take ${bytes} bytes, more than ${RATIO} times its ${packed} bytes in the file; ` +
        'if that is right, write it again without compression',
    )
}

/**
 * hyparquet's decompressors, limited to the size in the page's header, which its own gzip, Brotli and zstd can
 * exceed. An empty LZ4 page is one token without a match, which its LZ4 reports as damage.
 */
export const pageCompressors: Compressors = {
  ...others,
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(length, 1) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(length, 1) }),
  ZSTD: (input, length) => decompressZstd(input, new Uint8Array(length)),
  LZ4: (input, length) => (length === 0 ? new Uint8Array() : others.LZ4!(input, length)),
  LZ4_RAW: (input, length) => (length === 0 ? new Uint8Array() : others.LZ4_RAW!(input, length)),
}

/** Checks a file's metadata before anything is read with it. @throws Error naming the invalid value. */
export function checkMetadata(metadata: FileMetaData, size: number): void {
  let rows = 0
  let values = 0
  for (const { columns, num_rows } of metadata.row_groups) {
    rows += Number(num_rows)
    for (const { meta_data: column } of columns) {
      if (!column) throw new Error('a column has no metadata; is the file encrypted?')
      const { start, end } = rangeOf(column)
      if (!(start >= 4 && end >= start && end <= size))
        throw new Error(
          `column '${column.path_in_schema.join('.')}' lies at ${start} to ${end} of ${size} bytes`,
        )
      if (Number(column.num_values) < 0) throw new Error('a column has a negative number of values')
      values += Number(column.num_values)
    }
    if (Number(num_rows) < 0) throw new Error('a row group has a negative number of rows')
  }
  // A value takes 8 bytes in an array, a row at least 16.
  bound('its table', values * 8 + rows * 16, size, FREE_FILE)
}

/** The file; each column is checked page by page when it is read. */
export function checkedFile(file: AsyncBuffer, metadata: FileMetaData): AsyncBuffer {
  const columns = metadata.row_groups.flatMap((group) => group.columns.map((column) => column.meta_data!))
  return {
    byteLength: file.byteLength,
    slice: async (from, to) => {
      const buffer = await file.slice(from, to)
      for (const column of columns) {
        const { start, end } = rangeOf(column)
        if (start >= from && end <= from + buffer.byteLength)
          checkPages(new DataView(buffer, start - from, end - start), column)
      }
      return buffer
    },
  }
}

function rangeOf({
  dictionary_page_offset: dictionary,
  data_page_offset: data,
  total_compressed_size,
}: ColumnMetaData): {
  start: number
  end: number
} {
  const start = Number(dictionary || data)
  return { start, end: start + Number(total_compressed_size) }
}

function checkPages(view: DataView, column: ColumnMetaData): void {
  const name = `column '${column.path_in_schema.join('.')}'`
  const reader = { view, offset: 0 }
  let left = Number(column.num_values)
  while (reader.offset < view.byteLength - 1) {
    const header = deserializeTCompactProtocol(reader)
    const [expanded, packed] = [Number(header.field_2), Number(header.field_3)]
    if (!(packed >= 0 && reader.offset + packed <= view.byteLength))
      throw new Error(`${name}: a page of ${packed} bytes does not fit`)
    bound(`${name}: a page`, expanded, packed)
    const page = (header.field_5 ?? header.field_8) as { field_1?: number } | undefined
    const dictionary = header.field_7 as { field_1?: number } | undefined
    const values = Number((page ?? dictionary)?.field_1 ?? 0)
    // Each value of a dictionary takes at least one bit.
    if (dictionary && !(values >= 0 && values <= expanded * 8))
      throw new Error(`${name}: a dictionary of ${values} values in ${expanded} bytes`)
    if (page && !(values >= 0 && values <= left)) throw new Error(`${name}: pages of more values than it has`)
    if (page) left -= values
    reader.offset += packed
  }
}

/** Adds up the memory of the rows, to detect a dictionary's long value that is repeated in every row. */
export class SizeCount {
  private bytes = 0

  constructor(private readonly fileSize: number) {}

  add(bytes: number): void {
    this.bytes += bytes
  }

  /** @throws Error saying the size */
  check(): void {
    bound('its text', this.bytes, this.fileSize, FREE_FILE)
  }
}
