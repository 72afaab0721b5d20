import { join } from 'node:path'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { ensureFreeSpace, writeFileAtomic } from '../files/atomic'
import { fillFolder } from '../files/atomic-folder'
import { MODEL_FILE, MODEL_INDEX } from '../files/checkpoint'
import { writeSafetensors, type SafetensorsEntry } from '../files/safetensors-write'
import { toSafetensorsDType, itemsize, type FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import { configOf, type ExportedModel } from './exported-model'
import type { FileOptions } from './save-gguf'
import type { SlicedTensor } from './sliced-tensor'

export interface ModelFiles extends FileOptions {
  /** The most bytes of a shard; a larger tensor gets a shard of its own. */
  shardBytes: number
  tokenizer?: PreTrainedTokenizer | undefined
  /** Content of README.md; undefined: none. */
  card?: string | undefined
}

/** Tensors of a module that are written together, in this order. */
export interface EntryGroup {
  entries: readonly SafetensorsEntry[]
  bytes: number
}

/** Writes a whole model in one float dtype, as transformers does. */
export function saveModel(
  folder: string,
  model: ExportedModel,
  dtype: FloatDType,
  files: ModelFiles,
): Promise<void> {
  const groups = model.tensors.map((tensor) => plainGroup(tensor, dtype))
  return writeModelFolder(folder, model, configOf(model, dtype), groups, files)
}

export function plainGroup(tensor: SlicedTensor, dtype: FloatDType): EntryGroup {
  const { key, shape } = tensor
  const bytes = shape.reduce((n, d) => n * d, itemsize[dtype])
  const entry: SafetensorsEntry = {
    ...{ name: key, dtype: toSafetensorsDType(dtype), shape },
    data: () => bytesOf(tensor, dtype),
  }
  return { entries: [entry], bytes }
}

async function* bytesOf(tensor: SlicedTensor, dtype: FloatDType): AsyncGenerator<Uint8Array> {
  for await (const slice of tensor.slices(1)) {
    if (slice.dtype === dtype) {
      yield await slice.bytes()
      continue
    }
    using converted = slice.device.empty(slice.shape, dtype)
    copy(slice, converted)
    yield await converted.bytes()
  }
}

/** Writes weights in shards, configurations and the tokenizer: either all of them or nothing. */
export async function writeModelFolder(
  folder: string,
  model: ExportedModel,
  config: Record<string, unknown>,
  groups: readonly EntryGroup[],
  files: ModelFiles,
): Promise<void> {
  const total = groups.reduce((sum, { bytes }) => sum + bytes, 0)
  const write = async (temporary: string): Promise<void> => {
    await ensureFreeSpace(temporary, total)
    await writeShards(temporary, groups, total, files)
    await files.tokenizer?.save_pretrained(temporary)
    const json: Record<string, unknown> = { 'config.json': config }
    if (Object.keys(model.generation).length > 0) json['generation_config.json'] = model.generation
    for (const [name, value] of Object.entries(json))
      await writeFileAtomic(join(temporary, name), `${jsonText(value)}\n`)
    if (files.card !== undefined) await writeFileAtomic(join(temporary, 'README.md'), files.card)
  }
  // Weights of an older model would be read in place of the new ones.
  await fillFolder(folder, write, (name) => /^model(-\d+-of-\d+)?\.safetensors(\.index\.json)?$/.test(name))
}

/** Fields that transformers requires to be floats; JavaScript writes 5.0 as 5. */
const floatFields = [
  ...['llm_int8_threshold', 'final_logit_softcapping', 'attn_logit_softcapping', 'attention_dropout'],
  ...['rms_norm_eps', 'initializer_range', 'rope_theta', 'factor', 'low_freq_factor', 'high_freq_factor'],
  ...['partial_rotary_factor', 'attention_factor', 'beta_fast', 'beta_slow', 'mscale', 'mscale_all_dim'],
  ...['embedding_multiplier', 'attention_multiplier', 'residual_multiplier', 'logits_scaling'],
  ...['temperature', 'top_p', 'repetition_penalty'],
]
const wholeFloat = new RegExp(`("(?:${floatFields.join('|')})": -?\\d+)(?=,?\n)`, 'g')

function jsonText(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(wholeFloat, '$1.0')
}

async function writeShards(
  folder: string,
  groups: readonly EntryGroup[],
  total: number,
  { shardBytes, signal, progress }: ModelFiles,
): Promise<void> {
  const shards = split(groups, shardBytes)
  const map: Record<string, string> = {}
  let before = 0
  for (const [i, shard] of shards.entries()) {
    const number = (n: number): string => String(n).padStart(5, '0')
    const name =
      shards.length === 1 ? MODEL_FILE : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`
    const entries = shard.flatMap((group) => group.entries)
    for (const entry of entries) map[entry.name] = name
    const offset = before
    await writeSafetensors(
      join(folder, name),
      entries,
      { format: 'pt' },
      {
        keepOrder: true,
        signal,
        progress: (written) => progress?.(offset + written, total),
      },
    )
    before += shard.reduce((sum, { bytes }) => sum + bytes, 0)
  }
  if (shards.length === 1) return
  const index = { metadata: { total_size: total }, weight_map: map }
  await writeFileAtomic(join(folder, MODEL_INDEX), `${JSON.stringify(index, null, 2)}\n`)
}

/** As many groups per shard as fit, in order. */
function split(groups: readonly EntryGroup[], most: number): EntryGroup[][] {
  const shards: EntryGroup[][] = [[]]
  let size = 0
  for (const group of groups) {
    if (size > 0 && size + group.bytes > most) {
      shards.push([])
      size = 0
    }
    shards.at(-1)!.push(group)
    size += group.bytes
  }
  return shards
}

/**
 * The bytes of a size such as '5GB', '200MB' (powers of ten) or '1GiB', or of a number. @throws TypeError on
 * another text.
 */
export function parseSize(size: number | string): number {
  if (typeof size === 'number') return size
  const [, number, unit, binary] = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*$/i.exec(size) ?? []
  if (number === undefined || Number(number) <= 0)
    throw new TypeError(
      `[save_pretrained] max_shard_size: got '${size}', needs bytes or a size such as '5GB', '200MB', '1GiB'`,
    )
  return Math.floor(
    Number(number) * (binary ? 1024 : 1000) ** ' KMGT'.indexOf((unit ?? '').toUpperCase() || ' '),
  )
}
