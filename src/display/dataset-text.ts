import type { Dataset } from '../data/dataset'
import type { DatasetDict } from '../data/dataset-dict'
import type { IterableDataset } from '../data/iterable-dataset'
import type { IterableDatasetDict } from '../data/iterable-dataset-dict'
import { escapeHtml } from './format'
import type { MimeBundle } from './output'
import { tableBundle } from './table'

const shownRows = 5
const shownColumns = 20
const shownCharacters = 300

/** The text that Python's `datasets` prints. */
export function datasetText(dataset: Dataset): string {
  const names = dataset.column_names.map((name) => `'${name}'`).join(', ')
  return `Dataset({\n    features: [${names}],\n    num_rows: ${dataset.num_rows}\n})`
}

/** Features, number of rows, and the first rows as a table. */
export function datasetBundle(dataset: Dataset): MimeBundle {
  const { column_names, num_rows } = dataset
  const columns = column_names.slice(0, shownColumns)
  const hidden = column_names.length - columns.length
  const types = Object.entries(dataset.features).map(([name, type]) => `${name}: ${cut(type)}`)
  const facts = `${num_rows.toLocaleString('en-US')} ${num_rows === 1 ? 'row' : 'rows'}, ${types.join(', ')}`
  if (num_rows === 0 || columns.length === 0)
    return { 'text/plain': datasetText(dataset), 'text/html': paragraph(dataset, facts) }
  const rows = [...dataset.slice(0, shownRows)].map((row) =>
    Object.fromEntries(columns.map((name) => [name, cut(row[name])])),
  )
  const more = [
    num_rows > rows.length ? `first ${rows.length} rows` : '',
    hidden > 0 ? `${hidden} more columns` : '',
  ].filter((text) => text !== '')
  const table = tableBundle(rows, { columns, ...(more.length > 0 && { title: more.join(', ') }) })
  return {
    'text/plain': `${datasetText(dataset)}\n\n${table['text/plain']}`,
    'text/html': paragraph(dataset, facts) + String(table['text/html']),
  }
}

export function datasetDictText(splits: DatasetDict): string {
  const lines = [...splits].map(
    ([name, dataset]) => `    ${name}: ${datasetText(dataset).replaceAll('\n', '\n    ')}`,
  )
  return `DatasetDict({\n${lines.join('\n')}\n})`
}

export function datasetDictBundle(splits: DatasetDict): MimeBundle {
  const parts = [...splits].map(
    ([name, dataset]) => `<h4>${escapeHtml(name)}</h4>${String(datasetBundle(dataset)['text/html'])}`,
  )
  return { 'text/plain': datasetDictText(splits), 'text/html': parts.join('') }
}

/** As Python's `datasets` prints it, without the number of files. Nothing is read for it. */
export function streamText(stream: IterableDataset): string {
  const names = stream.column_names?.map((name) => `'${name}'`).join(', ')
  return `IterableDataset({\n    features: ${names === undefined ? 'Unknown' : `[${names}]`}\n})`
}

/** What is known of a stream before it is read, and how its first rows are seen. */
export function streamBundle(stream: IterableDataset): MimeBundle {
  const columns = stream.column_names
  const facts =
    (columns ? `columns ${columns.join(', ')}` : 'columns are known when rows come') +
    '; nothing is read before the rows are used. The first rows: for await (const row of data.take(5)) console.log(row)'
  return { 'text/plain': streamText(stream), 'text/html': paragraph(stream, facts) }
}

export function streamDictText(splits: IterableDatasetDict): string {
  const lines = [...splits].map(
    ([name, stream]) => `    ${name}: ${streamText(stream).replaceAll('\n', '\n    ')}`,
  )
  return `IterableDatasetDict({\n${lines.join('\n')}\n})`
}

export function streamDictBundle(splits: IterableDatasetDict): MimeBundle {
  const parts = [...splits].map(
    ([name, stream]) => `<h4>${escapeHtml(name)}</h4>${String(streamBundle(stream)['text/html'])}`,
  )
  return { 'text/plain': streamDictText(splits), 'text/html': parts.join('') }
}

function paragraph(dataset: object, facts: string): string {
  return `<p><b>${dataset.constructor.name}</b>: ${escapeHtml(facts)}</p>`
}

/** A value short enough for a table cell; long text and long JSON are cut. */
function cut(value: unknown): unknown {
  const text =
    typeof value === 'string'
      ? value
      : typeof value === 'object' && value !== null
        ? JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner))
        : undefined
  if (text === undefined || text.length <= shownCharacters) return value
  return `${text.slice(0, shownCharacters)}…`
}
