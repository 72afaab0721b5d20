import { writeFileAtomic } from '../files/atomic'
import { basename, join } from 'node:path'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { parseOptions, show } from '../options/parse'
import { unknownNameError } from '../options/nearest'
import type { CausalLM } from '../models/causal-lm'
import type { PeftModel } from '../peft/model'
import { BitsAndBytesConfig } from '../quantization/config'
import type { FloatDType } from '../tensor/dtype'
import { exportedModel, type ExportedModel } from './exported-model'
import { ggufMethod } from './gguf-methods'
import { modelCard } from './model-card'
import { modelfile } from './modelfile'
import { withMergedModel } from './merged-model'
import {
  ggufOptionSet,
  mergedOptionSet,
  saveOptionSet,
  type GgufOptions,
  type MergedOptions,
  type SaveOptions,
} from './options'
import type { ParsedGgufOptions, ParsedMergedOptions } from './options.generated'
import { saveModel4bit } from './save-4bit'
import { baseName, endTokensOf, saveGguf } from './save-gguf'
import { adapterTypes, saveGgufAdapter } from './save-gguf-adapter'
import { parseSize, saveModel, type ModelFiles } from './save-model'
import { withStreamedModel } from './streamed-model'

/** `save_pretrained` of a model: in its dtype, or in bitsandbytes' 4 bits, as it is in memory. */
export async function saveWhole(model: CausalLM, folder: string, given: SaveOptions): Promise<void> {
  const o = parseOptions(saveOptionSet, given)
  const card = modelCard({
    title: baseName(model.name_or_path),
    base: model.name_or_path,
    library: 'transformers',
  })
  const files = { ...o, shardBytes: parseSize(o.max_shard_size), card }
  const { quantization_config: quantization } = model
  const exported = exportedModel(model)
  if (quantization?.load_in_4bit) await saveModel4bit(folder, exported, quantization, files)
  else await saveModel(folder, exported, model.dtype, files)
}

/** `save_pretrained_merged`: the base model with the adapter merged into its weights, or only the adapter. */
export async function saveMerged(
  model: CausalLM,
  peft: PeftModel | undefined,
  folder: string,
  tokenizer: PreTrainedTokenizer | null | undefined,
  given: MergedOptions,
): Promise<void> {
  const o = parseOptions(mergedOptionSet, given)
  if (o.save_method === 'lora') {
    if (!peft) throw new TypeError("[save_pretrained_merged] save_method = 'lora': the model has no adapter")
    await peft.save_pretrained(folder)
    await tokenizer?.save_pretrained(folder)
    return
  }
  const base = model.name_or_path
  const card = modelCard({
    ...{
      title: `${baseName(base)}${peft ? ' with an adapter' : ''}`,
      base,
      library: 'transformers',
      merged: true,
    },
    adapter: peft?.peft_config,
  })
  const files = { ...o, shardBytes: parseSize(o.max_shard_size), tokenizer: tokenizer ?? undefined, card }
  await withMergedModel(model, peft?.update, o.base_weights, (merged) =>
    writeMerged(folder, merged, model.quantization_config, files, o),
  )
}

/**
 * `save_pretrained_merged` of an adapter's folder; the base model is read from its checkpoint while it is
 * written.
 */
export async function saveStreamedMerged(
  adapterFolder: string,
  folder: string,
  tokenizer: PreTrainedTokenizer | undefined,
  given: MergedOptions,
): Promise<void> {
  const o = parseOptions(mergedOptionSet, given)
  await withStreamedModel(adapterFolder, o.dtype, {}, (merged, { config }) => {
    const title = `${baseName(merged.name)} with an adapter`
    const card = modelCard({
      title,
      base: merged.name,
      library: 'transformers',
      merged: true,
      adapter: config,
    })
    const files = { ...o, shardBytes: parseSize(o.max_shard_size), tokenizer, card }
    return writeMerged(folder, merged, undefined, files, o)
  })
}

function writeMerged(
  folder: string,
  merged: ExportedModel,
  own: BitsAndBytesConfig | undefined,
  files: ModelFiles,
  o: ParsedMergedOptions,
): Promise<void> {
  const dtype = o.dtype === 'auto' ? merged.dtype : o.dtype
  if (o.save_method === 'merged_16bit') return saveModel(folder, merged, dtype, files)
  const nf4 = { load_in_4bit: true, bnb_4bit_quant_type: 'nf4', bnb_4bit_use_double_quant: true } as const
  const quantization =
    o.quantization_config ?? own ?? new BitsAndBytesConfig({ ...nf4, bnb_4bit_compute_dtype: dtype })
  return saveModel4bit(folder, { ...merged, dtype }, quantization, files)
}

/** `save_pretrained_gguf`; returns the paths of the files. */
export async function saveGgufFiles(
  model: CausalLM,
  peft: PeftModel | undefined,
  folder: string,
  tokenizer: PreTrainedTokenizer,
  given: GgufOptions,
): Promise<string[]> {
  const o = parseOptions(ggufOptionSet, given as object)
  if (typeof (tokenizer as PreTrainedTokenizer | null)?.to_str !== 'function')
    throw new TypeError(
      `[save_pretrained_gguf] tokenizer: got ${show(tokenizer)}, needs the model's tokenizer: the file holds it`,
    )
  const methods = [o.quantization_method].flat().map(ggufMethod)
  if (o.save_method === 'lora') return adapterFiles(model, peft, folder, tokenizer, methods, o)
  return withMergedModel(model, peft?.update, o.base_weights, (merged) =>
    writeGgufFiles(folder, merged, tokenizer, methods, o),
  )
}

/**
 * `save_pretrained_gguf` of an adapter's folder; the base model is read from its checkpoint while it is
 * written.
 */
export function saveStreamedGguf(
  adapterFolder: string,
  folder: string,
  tokenizer: PreTrainedTokenizer,
  given: GgufOptions,
  dtype: FloatDType | 'auto',
): Promise<string[]> {
  const o = parseOptions(ggufOptionSet, given as object)
  const methods = [o.quantization_method].flat().map(ggufMethod)
  return withStreamedModel(adapterFolder, dtype, {}, (merged) =>
    writeGgufFiles(folder, merged, tokenizer, methods, o),
  )
}

async function writeGgufFiles(
  folder: string,
  merged: ExportedModel,
  tokenizer: PreTrainedTokenizer,
  methods: readonly string[],
  o: ParsedGgufOptions,
): Promise<string[]> {
  const paths: string[] = []
  for (const method of methods) paths.push(await saveGguf(folder, merged, tokenizer, method, o))
  if (o.modelfile) {
    const { generation } = merged
    const from = `./${basename(paths[0]!)}`
    const text = await modelfile(tokenizer, { from, generation, endTokens: endTokensFor(tokenizer, merged) })
    await writeFileAtomic(join(folder, 'Modelfile'), text)
  }
  return paths
}

async function adapterFiles(
  model: CausalLM,
  peft: PeftModel | undefined,
  folder: string,
  tokenizer: PreTrainedTokenizer,
  methods: readonly string[],
  o: ParsedGgufOptions,
): Promise<string[]> {
  if (!peft) throw new TypeError("[save_pretrained_gguf] save_method = 'lora': the model has no adapter")
  const { config, blueprint, name_or_path: name } = model
  const paths: string[] = []
  for (const method of methods) {
    const type = adapterTypes.find((known) => known === method)
    if (!type)
      throw unknownNameError(
        'save_pretrained_gguf',
        method,
        adapterTypes,
        'quantization_method of an adapter',
      )
    paths.push(await saveGgufAdapter(folder, { config, blueprint, name }, peft.update, type, o))
  }
  if (!o.modelfile) return paths
  const generation = exportedModel(model).generation
  const text = await modelfile(tokenizer, {
    ...{ from: `./${baseName(name)}.gguf`, adapter: `./${basename(paths[0]!)}`, generation },
    comment: `FROM is to name ${name}: its GGUF file, or the model as Ollama has it.`,
    endTokens: endTokensFor(tokenizer, { generation, config }),
  })
  await writeFileAtomic(join(folder, 'Modelfile'), text)
  return paths
}

/** The tokenizer's end token is first: it is the one used in training. */
function endTokensFor(
  { eos_token_id: own }: PreTrainedTokenizer,
  model: Parameters<typeof endTokensOf>[0],
): number[] {
  return [...new Set([...(own === null ? [] : [own]), ...endTokensOf(model)])]
}
