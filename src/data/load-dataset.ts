import { type HubOptions, requireName } from '../files/hub'
import { namingFile } from '../files/naming'
import { parseOptions } from '../options/parse'
import { type SplitFiles, filesBySplit, matchFiles, requireWhole } from './data-files'
import { localFiles, openSource, readCard } from './data-source'
import { Dataset } from './dataset'
import { DatasetDict } from './dataset-dict'
import { IterableDataset } from './iterable-dataset'
import { IterableDatasetDict } from './iterable-dataset-dict'
import { loadDatasetOptionSet } from './load-dataset-options'
import type { LoadDatasetOptions, ParsedLoadDatasetOptions } from './options.generated'
import { type DataFormat, formatNamed, formatOf, rowBatches, unknownFormat } from './read-rows'
import { filesInTurn } from './row-stream'
import type { Row } from './rows'
import { knownSplit, parseSplit } from './split-slice'

type Others = Omit<LoadDatasetOptions, 'split' | 'streaming'>
// Not an intersection with LoadDatasetOptions, so that editors offer the names of splits.
type WithSplit = Others & {
  /** Which rows, such as 'train', 'train[:200]', 'train[10%:20%]' or 'train+test'. */
  split: Exclude<LoadDatasetOptions['split'], null | undefined>
}
type WithoutSplit = Others & {
  /** Not given or null: all splits, by name. */
  split?: null
}
interface Streaming {
  /** Read the files in pieces while the rows are used. */
  streaming: true
}
interface Whole {
  /** Read the files in pieces while the rows are used. */
  streaming?: false
}

/**
 * Reads a data set: a hub repository ('owner/name'), a local folder, or local files by format ('json', 'csv',
 * 'parquet', 'arrow', 'text', with `data_files`). A JSON file has one object per line, or is one array of
 * objects. With `streaming`, nothing is read before the rows are used.
 *
 * @throws Error naming the missing file, the invalid line, the existing splits, or the files of an empty data
 * set.
 */
export async function load_dataset(path: string, options: WithSplit & Streaming): Promise<IterableDataset>
export async function load_dataset(
  path: string,
  options: WithoutSplit & Streaming,
): Promise<IterableDatasetDict>
export async function load_dataset(path: string, options: WithSplit & Whole): Promise<Dataset>
export async function load_dataset(path: string, options?: WithoutSplit & Whole): Promise<DatasetDict>
export async function load_dataset(path: string, options?: LoadDatasetOptions): Promise<AnyDataset>
export async function load_dataset(path: string, options: LoadDatasetOptions = {}): Promise<AnyDataset> {
  requireName(path)
  const opts = parseOptions(loadDatasetOptionSet, options)
  const located = await locate(path, opts, { signal: opts.signal, progress: opts.progress })
  return opts.streaming ? streamed(located, opts) : loaded(path, located, opts)
}

type AnyDataset = Dataset | DatasetDict | IterableDataset | IterableDatasetDict

async function loaded(
  path: string,
  located: Located,
  opts: ParsedLoadDatasetOptions,
): Promise<Dataset | DatasetDict> {
  const names = [...located.splits.keys()]
  const before = new Map<string, Dataset>()
  const load = async (split: string): Promise<Dataset> => {
    const known = before.get(split)
    if (known) return known
    const files = filesOf(located, split)
    const rows: Row[] = []
    for (const file of files)
      for await (const batch of await opened(located, file, opts)) for (const row of batch) rows.push(row)
    if (rows.length === 0)
      throw new Error(`[load_dataset] '${path}' split '${split}' is empty: no rows in ${files.join(', ')}`)
    const dataset = await namingFile(files.join(', '), () => Dataset.from_list(rows))
    before.set(split, dataset)
    return dataset
  }

  if (opts.split === null) {
    const all = new DatasetDict()
    for (const split of names) all.set(split, await load(split))
    return all
  }
  const parts: Dataset[] = []
  for (const part of parseSplit(opts.split)) {
    const dataset = await load(knownSplit(part.split, names))
    parts.push(dataset.slice(...part.range(dataset.length)))
  }
  const [only] = parts
  const joined =
    only && parts.length === 1 ? only : Dataset.from_list(parts.flatMap((part) => part.to_list()))
  if (joined.length === 0) throw new Error(`[load_dataset] split '${opts.split}' of '${path}' has no rows`)
  return joined
}

function streamed(located: Located, opts: ParsedLoadDatasetOptions): IterableDataset | IterableDatasetDict {
  const names = [...located.splits.keys()]
  const stream = (splits: readonly string[]): IterableDataset => {
    const files = splits.flatMap((split) => filesOf(located, split))
    return new IterableDataset(
      filesInTurn(files, async function* (file) {
        yield* await opened(located, file, opts)
      }),
    )
  }
  if (opts.split === null) return new IterableDatasetDict(names.map((split) => [split, stream([split])]))
  const parts = parseSplit(opts.split)
  if (parts.some(({ isWhole }) => !isWhole))
    throw new Error(
      `[load_dataset] split '${opts.split}': a stream has no slices; use take(n) and skip(n) of the whole split`,
    )
  return stream(parts.map(({ split }) => knownSplit(split, names)))
}

function filesOf({ splits, files }: Located, split: string): string[] {
  const found = splits.get(split) ?? { files: [], unmatched: [] }
  requireWhole(split, found, files)
  return found.files
}

/** The rows of one file in chunks; the file is downloaded if necessary. */
async function opened(
  { fetch, format }: Located,
  file: string,
  opts: ParsedLoadDatasetOptions,
): Promise<AsyncIterable<Row[]>> {
  const local = await fetch(file)
  const kind = format ?? formatOf(file)
  if (kind === undefined) throw unknownFormat(local)
  for (const [option, of] of [['delimiter', 'csv'] as const, ['field', 'json'] as const])
    if (opts[option] !== null && kind !== of)
      throw new TypeError(
        `[load_dataset] ${option} is for ${of.toUpperCase()} files; ${local} is read as ${kind}`,
      )
  const { delimiter, field, streaming, signal } = opts
  return rowBatches(local, kind, {
    delimiter: delimiter ?? undefined,
    field: field ?? undefined,
    streaming,
    signal,
  })
}

interface Located {
  splits: Map<string, SplitFiles>
  /** All files; for messages. */
  files: readonly string[]
  fetch(file: string): Promise<string>
  /** The format given by name; else that of each file's extension. */
  format: DataFormat | undefined
}

async function locate(
  path: string,
  opts: ParsedLoadDatasetOptions,
  calls: Pick<HubOptions, 'signal' | 'progress'>,
): Promise<Located> {
  const format = formatNamed(path)
  if (format !== undefined) {
    if (opts.data_files === null)
      throw new Error(`[load_dataset] '${path}' needs data_files: the files to read`)
    return {
      files: [],
      splits: await localFiles(opts.data_files, opts.data_dir ?? '.'),
      fetch: (file) => Promise.resolve(file),
      format,
    }
  }
  const { revision, token, cache_dir } = opts
  const source = await openSource(path, {
    ...calls,
    revision: revision ?? undefined,
    token: token ?? undefined,
    cache_dir: cache_dir ?? undefined,
  })
  const card = opts.data_files === null ? await readCard(source) : ''
  const splits = await namingFile(path, () =>
    opts.data_files === null
      ? filesBySplit(source.files, card, opts)
      : matchFiles(source.files, opts.data_files, opts.data_dir ?? ''),
  )
  return { splits, files: source.files, fetch: source.fetch, format: undefined }
}
