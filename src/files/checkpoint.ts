import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { messageOf } from './atomic'
import { parseJsonObject } from './json'
import { SafetensorsFile } from './safetensors'
import type { TensorInfo } from './safetensors-header'
import { readTextFile } from './text'

/** File name of a model stored in one file, and of the index of one stored in shards. */
export const MODEL_FILE = 'model.safetensors'
export const MODEL_INDEX = 'model.safetensors.index.json'

/** The weights of a model folder, by name: one safetensors file, or the shards that an index lists. */
export class Checkpoint {
  private constructor(
    readonly folder: string,
    /** All tensors by name, each with its file. */
    readonly tensors: Map<string, TensorInfo>,
    private readonly shards: Map<string, SafetensorsFile>,
  ) {}

  /**
   * Opens `model.safetensors` of a folder, else the shards of `model.safetensors.index.json`.
   *
   * @throws Error listing the folder's files when neither exists, or naming the shard or tensor that is
   * wrong.
   */
  static async open(folder: string): Promise<Checkpoint> {
    const files = await readdir(folder).catch((error: unknown) => {
      throw new Error(`${folder}: not a readable model folder: ${messageOf(error)}`, { cause: error })
    })
    if (files.includes(MODEL_FILE)) {
      const shard = await SafetensorsFile.open(join(folder, MODEL_FILE))
      return new Checkpoint(folder, shard.tensors, new Map([[shard.path, shard]]))
    }
    if (files.includes(MODEL_INDEX)) return Checkpoint.openIndex(folder, files)
    const seen = files.length > 0 ? files.sort().join(', ') : 'nothing'
    throw new Error(`${folder}: no ${MODEL_FILE} and no ${MODEL_INDEX}; the folder holds ${seen}`)
  }

  private static async openIndex(folder: string, files: string[]): Promise<Checkpoint> {
    const index = join(folder, MODEL_INDEX)
    const weightMap = parseWeightMap(index, await readTextFile(index))
    const shards = new Map<string, SafetensorsFile>()
    try {
      for (const file of new Set(weightMap.values())) {
        if (!files.includes(file)) throw new Error(`${index}: names shard '${file}', which the folder lacks`)
        const path = join(folder, file)
        shards.set(path, await SafetensorsFile.open(path))
      }
      const tensors = new Map<string, TensorInfo>()
      for (const [name, file] of weightMap) {
        const info = shards.get(join(folder, file))?.tensors.get(name)
        if (!info) throw new Error(`${index}: tensor '${name}' should be in '${file}', which lacks it`)
        tensors.set(name, info)
      }
      return new Checkpoint(folder, tensors, shards)
    } catch (error) {
      await closeAll(shards)
      throw error
    }
  }

  /** Raw little-endian bytes of one tensor. */
  async read(name: string, options: { signal?: AbortSignal | undefined } = {}): Promise<Uint8Array> {
    const info = this.tensors.get(name)
    const shard = info && this.shards.get(info.file)
    if (!shard) throw new Error(`${this.folder}: no tensor '${name}' among its ${this.tensors.size} tensors`)
    return shard.read(name, options)
  }

  async close(): Promise<void> {
    await closeAll(this.shards)
  }

  /** Size of all tensors together, in bytes. */
  get nbytes(): number {
    return [...this.tensors.values()].reduce((sum, info) => sum + info.nbytes, 0)
  }
}

/** Names of the shards in an index file's text, for downloads. Throws on an invalid index. */
export function parseWeightMap(index: string, text: string): Map<string, string> {
  const map = parseJsonObject(index, text)['weight_map']
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new Error(`${index}: no weight_map object`)
  return new Map(
    Object.entries(map).map(([name, file]): [string, string] => {
      // Shards are beside the index; a path could lead out of the folder.
      if (typeof file !== 'string' || file === '' || basename(file) !== file || file.includes('\\')) {
        throw new Error(
          `${index}: weight_map['${name}'] is ${JSON.stringify(file)}; expected a plain file name`,
        )
      }
      return [name, file]
    }),
  )
}

async function closeAll(shards: Map<string, SafetensorsFile>): Promise<void> {
  await Promise.all([...shards.values()].map((shard) => shard.close()))
}
