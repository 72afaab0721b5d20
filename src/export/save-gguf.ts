import { join } from 'node:path'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { writeGguf, type GgufEntry } from '../files/gguf-write'
import { checkDescribes, ggufHyperparameters, ignoredWindow } from '../models/gguf-metadata'
import { logger } from '../logging'
import type { ExportedModel } from './exported-model'
import { ggufMethods } from './gguf-methods'
import { ggufTensors } from './gguf-tensors'
import { ggufVocabulary } from './gguf-vocabulary'

export interface FileOptions {
  signal?: AbortSignal | undefined
  progress?: ((done: number, total: number) => void) | undefined
}

/** Writes a model as one GGUF file, `<name>.<method>.gguf` in the folder; returns its path. */
export async function saveGguf(
  folder: string,
  model: ExportedModel,
  tokenizer: PreTrainedTokenizer,
  method: string,
  options: FileOptions,
): Promise<string> {
  const name = baseName(model.name)
  const path = join(folder, `${name}.${method}.gguf`)
  const tensors = ggufTensors(model, method)
  const described = ggufHyperparameters(model.config, model.blueprint)
  checkDescribes(model.blueprint, described, tensors)
  const window = ignoredWindow(model.config, model.blueprint)
  if (window !== undefined)
    logger.warning(
      `[save_pretrained_gguf] llama.cpp has no sliding window in such files: beyond ${window} tokens its answers differ from those here`,
    )
  const metadata: Record<string, GgufEntry> = {
    ...described,
    'general.type': ['string', 'model'],
    'general.name': ['string', name],
    'general.file_type': ['uint32', ggufMethods[method]!.fileType],
    'general.quantization_version': ['uint32', 2],
    ...(await ggufVocabulary(tokenizer, model.config.vocab_size, endTokensOf(model))),
  }
  await writeGguf(path, metadata, tensors, options)
  return path
}

/** The last part of a path or repository id, without characters that file names cannot contain. */
export function baseName(name: string): string {
  const last =
    name
      .split(/[/\\]/)
      .filter((part) => part !== '' && part !== '.')
      .at(-1) ?? ''
  return last.replace(/\.gguf$/, '').replace(/[^\w.-]+/g, '-') || 'model'
}

/** Ids that end an answer: those of the generation config, else those of the config. */
export function endTokensOf({ generation, config }: Pick<ExportedModel, 'generation' | 'config'>): number[] {
  const ids = (generation['eos_token_id'] ?? config.eos_token_id ?? []) as number | number[]
  return [ids].flat()
}
