import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { writeFileAtomic } from '../files/atomic'
import { replaceFolder } from '../files/atomic-folder'
import { checkNames } from '../options/parse'
import type { Dataset } from './dataset'
import { featureOf, writableTypes } from './features'
import { writeArrow } from './write-arrow'

export interface SaveOptions {
  /** Number of files. Default 1. */
  num_shards?: number
}

/** Names of the files that describe a saved folder. */
export const STATE = 'state.json'
export const SPLITS = 'dataset_dict.json'

/**
 * Writes one data set like `datasets.Dataset.save_to_disk`; an existing folder of that name is replaced as a
 * whole.
 */
export async function saveDataset(dataset: Dataset, folder: string, options: SaveOptions): Promise<void> {
  checkNames<SaveOptions>('Dataset.save_to_disk', options, ['num_shards'], {
    max_shard_size: { default: null, reason: 'give num_shards.' },
    num_proc: { default: null, neutral: [1], reason: 'one process writes.' },
    storage_options: { default: null, neutral: [{}], reason: 'files are local.' },
  })
  const { num_shards = 1 } = options
  if (!(Number.isInteger(num_shards) && num_shards > 0))
    throw new RangeError(`[Dataset.save_to_disk] num_shards: got ${num_shards}, needs a positive integer`)
  const types = writableTypes('Dataset.save_to_disk', dataset.to_list(), dataset.column_names)
  const features = Object.fromEntries(Object.entries(types).map(([name, type]) => [name, featureOf(type)]))
  const number = (n: number): string => String(n).padStart(5, '0')
  const files = Array.from(
    { length: num_shards },
    (_, i) => `data-${number(i)}-of-${number(num_shards)}.arrow`,
  )
  await replaceFolder(folder, async (temporary) => {
    for (const [index, file] of files.entries()) {
      const rows = dataset.shard({ num_shards, index }).to_list()
      await writeArrow(join(temporary, file), rows, types)
    }
    await writeJsonFile(join(temporary, 'dataset_info.json'), {
      citation: '',
      description: '',
      features,
      homepage: '',
      license: '',
    })
    await writeJsonFile(join(temporary, STATE), {
      _data_files: files.map((filename) => ({ filename })),
      _fingerprint: randomBytes(8).toString('hex'),
      _format_columns: null,
      _format_kwargs: {},
      _format_type: null,
      _output_all_columns: false,
      _split: null,
    })
  })
}

/** Writes every split into a folder of its own, and a list of their names. */
export async function saveDict(
  splits: ReadonlyMap<string, Dataset>,
  folder: string,
  options: { num_shards?: Readonly<Record<string, number>> },
): Promise<void> {
  checkNames<{ num_shards?: unknown }>('DatasetDict.save_to_disk', options, ['num_shards'])
  await mkdir(folder, { recursive: true })
  for (const [name, dataset] of splits) {
    const num_shards = options.num_shards?.[name] ?? 1
    await saveDataset(dataset, join(folder, name), { num_shards })
  }
  await writeJsonFile(join(folder, SPLITS), { splits: [...splits.keys()] })
}

async function writeJsonFile(path: string, value: unknown): Promise<void> {
  await writeFileAtomic(path, JSON.stringify(value, null, 2))
}
