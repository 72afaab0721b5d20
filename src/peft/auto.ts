import { readTextFile } from '../files/text'
import { resolve_file } from '../files/hub'
import { parseJsonObject } from '../files/json'
import { SafetensorsFile } from '../files/safetensors'
import { AutoModelForCausalLM } from '../models/auto'
import type { CausalLM } from '../models/causal-lm'
import { pretrainedOptions, type PretrainedOptions } from '../models/pretrained-options'
import type { AdapterOptions } from './adapter-options'
import { PeftModel } from './model'
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS } from './save'

/** Loads a base model together with an adapter. */
export class AutoPeftModelForCausalLM {
  /**
   * `source`: a folder or hub repository with an adapter. Its adapter_config.json names the base model, which
   * is loaded with the same options. If the adapter's file has an embedding, the model is resized to its number
   * of tokens. `revision` is the adapter's.
   * @throws Error naming the adapter's file when it names no base model, or one that cannot be loaded.
   */
  static async from_pretrained(source: string, options: PretrainedOptions = {}): Promise<PeftModel> {
    const owner = 'AutoPeftModelForCausalLM.from_pretrained'
    const { hub } = pretrainedOptions(owner, options)
    const config = await adapterConfig(source, hub)
    if (!config) throw new Error(`${source}: has no ${ADAPTER_CONFIG}; is it an adapter?`)
    const { path, base } = config
    const { revision: _, ...others } = options
    const model = await AutoModelForCausalLM.from_pretrained(base, others).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error)
      throw new Error(`${path}: the base model '${base}', which it names, cannot be loaded: ${why}`, {
        cause: error,
      })
    })
    try {
      const rows = await tableRows(source, hub)
      if (rows !== undefined && rows !== model.config.vocab_size) model.resize_token_embeddings(rows)
      return await PeftModel.from_pretrained(model, source, hubOptions(options))
    } catch (error) {
      model.dispose()
      throw error
    }
  }
}

/** Rows of the embedding that an adapter's file has; undefined where it has none. */
async function tableRows(
  source: string,
  hub: Parameters<typeof resolve_file>[2],
): Promise<number | undefined> {
  const path = await resolve_file(source, ADAPTER_WEIGHTS, hub)
  if (!path) return undefined
  const file = await SafetensorsFile.open(path)
  try {
    const key = [...file.tensors.keys()].find((name) => /\.embed_tokens\.(.*base_layer\.)?weight$/.test(name))
    return key === undefined ? undefined : file.tensors.get(key)!.shape[0]
  } finally {
    await file.close()
  }
}

/** The options of loading a model that also apply to an adapter: where files are, and the abort signal. */
function hubOptions(options: PretrainedOptions): AdapterOptions {
  const names = ['revision', 'token', 'cache_dir', 'local_files_only', 'signal'] as const
  return Object.fromEntries(names.map((name) => [name, options[name]]))
}

/** The model in a folder or repository, or an adapter there together with the base model that it names. */
export async function loadAny(
  source: string,
  options: PretrainedOptions = {},
): Promise<CausalLM | PeftModel> {
  const { hub } = pretrainedOptions('AutoModelForCausalLM.from_pretrained', options)
  return (await adapterConfig(source, hub))
    ? AutoPeftModelForCausalLM.from_pretrained(source, options)
    : AutoModelForCausalLM.from_pretrained(source, options)
}

/** The adapter's configuration file and the base model that it names; undefined if there is no adapter. */
export async function adapterConfig(
  source: string,
  hub: Parameters<typeof resolve_file>[2] = {},
): Promise<{ path: string; base: string } | undefined> {
  const path = await resolve_file(source, ADAPTER_CONFIG, hub)
  if (!path) return undefined
  const base = parseJsonObject(path, await readTextFile(path))['base_model_name_or_path']
  if (typeof base !== 'string' || base === '')
    throw new Error(
      `${path}: base_model_name_or_path names no model: load that one, then PeftModel.from_pretrained`,
    )
  return { path, base }
}
