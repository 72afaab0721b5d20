import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

import { z } from 'zod'

import { parseJsonObject } from '../files/json'
import { Dataset } from './dataset'
import { DatasetDict } from './dataset-dict'
import { arrowBatches } from './read-arrow'
import type { Row } from './rows'
import { SPLITS, STATE } from './save-dataset'

const stateFile = z.looseObject({ _data_files: z.array(z.looseObject({ filename: z.string() })) })
const infoFile = z.looseObject({ features: z.record(z.string(), z.unknown()).nullish() })
const splitsFile = z.looseObject({ splits: z.array(z.string().regex(/^[\w.-]+$/)) })

/**
 * Reads a folder that `save_to_disk` wrote, here or in Python: a Dataset, or a DatasetDict if it contains
 * several splits.
 *
 * @throws Error naming the folder or file that is missing or damaged.
 */
export async function load_from_disk(folder: string): Promise<Dataset | DatasetDict> {
  if (existsSync(join(folder, SPLITS))) {
    const { splits } = await readChecked(join(folder, SPLITS), splitsFile)
    const all = new DatasetDict()
    for (const split of splits) all.set(split, await loadOne(join(folder, split)))
    return all
  }
  if (existsSync(join(folder, STATE))) return loadOne(folder)
  throw new Error(
    `[load_from_disk] ${folder} has neither ${STATE} nor ${SPLITS}: ` +
      (existsSync(folder)
        ? 'it was not written by save_to_disk; load_dataset reads data files'
        : 'no such folder'),
  )
}

async function loadOne(folder: string): Promise<Dataset> {
  const { _data_files: files } = await readChecked(join(folder, STATE), stateFile)
  const rows: Row[] = []
  for (const { filename } of files)
    for await (const batch of arrowBatches(join(folder, filename))) for (const row of batch) rows.push(row)
  if (rows.length > 0) return Dataset.from_list(rows)
  const { features } = await readChecked(join(folder, 'dataset_info.json'), infoFile)
  return Dataset.from_dict(Object.fromEntries(Object.keys(features ?? {}).map((name) => [name, []])))
}

async function readChecked<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new Error(`${path}: no such file; is the folder whole?`, { cause: error })
  })
  const parsed = schema.safeParse(parseJsonObject(path, text))
  if (parsed.success) return parsed.data
  const { path: key, message } = parsed.error.issues[0]!
  throw new Error(`${path}: ${key.join('.')}: ${message}`)
}
