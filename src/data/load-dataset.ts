import { type HubOptions, requireName } from '../files/hub'
import { namingFile } from '../files/naming'
import { parseOptions } from '../options/parse'
import { type SplitFiles, filesBySplit, matchFiles, requireWhole } from './data-files'
import { localFiles, openSource, readCard } from './data-source'
import { Dataset, DatasetDict, type Row } from './dataset'
import { loadDatasetOptionSet } from './load-dataset-options'
import type { LoadDatasetOptions, ParsedLoadDatasetOptions } from './options.generated'
import { type DataFormat, formatNamed, formatOf, readRows, unknownFormat } from './read-rows'
import { knownSplit, parseSplit } from './split-slice'

/**
 * Reads a data set: a hub repository ('owner/name'), a local folder, or local files by format ('json', 'csv',
 * 'parquet', 'text', with `data_files`). JSON is one object a line or one array of objects.
 *
 * @throws Error naming the missing file, the bad line, the splits there are, or the files of an empty data set
 */
export async function load_dataset(
  path: string,
  options: LoadDatasetOptions & { split: string },
): Promise<Dataset>
export async function load_dataset(
  path: string,
  options?: LoadDatasetOptions & { split?: null },
): Promise<DatasetDict>
export async function load_dataset(path: string, options?: LoadDatasetOptions): Promise<Dataset | DatasetDict>
export async function load_dataset(
  path: string,
  options: LoadDatasetOptions = {},
): Promise<Dataset | DatasetDict> {
  requireName(path)
  const opts = parseOptions(loadDatasetOptionSet, options)
  const { signal, progress } = opts
  const { splits, files, fetch, format } = await locate(path, opts, { signal, progress })
  const names = [...splits.keys()]

  const loaded = new Map<string, Dataset>()
  const load = async (split: string): Promise<Dataset> => {
    const before = loaded.get(split)
    if (before) return before
    const found = splits.get(split) ?? { files: [], unmatched: [] }
    requireWhole(split, found, files)
    const rows: Row[] = []
    for (const file of found.files) {
      const local = await fetch(file)
      const kind = format ?? formatOf(file)
      if (kind === undefined) throw unknownFormat(local)
      if (opts.delimiter !== null && kind !== 'csv')
        throw new TypeError(`[load_dataset] delimiter is for CSV files; ${local} is read as ${kind}`)
      const delimiter = opts.delimiter ?? undefined
      for (const row of await readRows(local, kind, { delimiter, signal })) rows.push(row)
    }
    if (rows.length === 0)
      throw new Error(
        `[load_dataset] '${path}' split '${split}' is empty: no rows in ${found.files.join(', ')}`,
      )
    const dataset = await namingFile(found.files.join(', '), () => Dataset.from_list(rows))
    loaded.set(split, dataset)
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

interface Located {
  splits: Map<string, SplitFiles>
  /** All files, for messages. */
  files: readonly string[]
  fetch(file: string): Promise<string>
  /** The format asked for by name; else each file's ending says it. */
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
