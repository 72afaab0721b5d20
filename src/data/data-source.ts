import { readdir, stat } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'

import { type HubOptions, hf_hub_download, list_repo_files } from '../files/hub'
import { readTextFile } from '../files/text'
import { type DataFiles, type SplitFiles, listing, matchFiles } from './data-files'

/**
 * A data set's files: their names (with `/`, from the root) and a function that makes one available on this
 * machine.
 */
export interface DataSource {
  files: string[]
  /** Local path of a file; downloads it if necessary. */
  fetch(file: string): Promise<string>
}

/**
 * A local folder if one of that name exists, else a data set repository of the hub. Throws when it can be
 * neither.
 */
export async function openSource(path: string, access: HubOptions): Promise<DataSource> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isDirectory()) return folderSource(path)
  if (found)
    throw new Error(
      `[load_dataset] '${path}' is a file; write load_dataset('json' | 'csv' | 'parquet' | 'text', { data_files: '${path}' })`,
    )
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(path) || path.startsWith('.'))
    throw new Error(`[load_dataset] there is no folder '${path}'`)
  const repository = { ...access, repo_id: path, repo_type: 'dataset' as const }
  return {
    files: await list_repo_files(repository),
    fetch: (filename) => hf_hub_download({ ...repository, filename }),
  }
}

/** Text of a source's data card; '' if it has none. */
export async function readCard(source: DataSource): Promise<string> {
  return source.files.includes('README.md') ? readTextFile(await source.fetch('README.md')) : ''
}

/** Local files by path or pattern, relative to `data_dir`. Throws when one is missing. */
export async function localFiles(dataFiles: DataFiles, data_dir: string): Promise<Map<string, SplitFiles>> {
  const bySplit = typeof dataFiles === 'string' || Array.isArray(dataFiles) ? { train: dataFiles } : dataFiles
  const result = new Map<string, SplitFiles>()
  for (const [split, patterns] of Object.entries(bySplit as Record<string, string | readonly string[]>)) {
    const files: string[] = []
    for (const pattern of typeof patterns === 'string' ? [patterns] : patterns)
      files.push(...(await expand(resolve(data_dir, pattern))))
    result.set(split, { files, unmatched: [] })
  }
  return result
}

async function expand(pattern: string): Promise<string[]> {
  if (
    await stat(pattern).then(
      () => true,
      () => false,
    )
  )
    return [pattern]
  const glob = /[*?[{]/.exec(pattern)
  if (!glob) throw new Error(`${pattern}: no such file`)
  const base = pattern.slice(0, pattern.lastIndexOf(sep, glob.index)) || sep
  const files = await listFolder(base).catch(() => [])
  const matching = matchFiles(files, relative(base, pattern).split(sep).join('/')).get('train')?.files ?? []
  if (matching.length === 0)
    throw new Error(`${pattern}: matches no file. Files in ${base}: ${listing(files)}`)
  return matching.map((file) => join(base, file))
}

async function folderSource(folder: string): Promise<DataSource> {
  return { files: await listFolder(folder), fetch: (file) => Promise.resolve(join(folder, file)) }
}

async function listFolder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.split('/').some((part) => part.startsWith('.') || part === 'node_modules'))
    .sort()
}
