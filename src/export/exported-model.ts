import { Linear } from '../nn/linear'
import { baseLayer } from '../nn/lora'
import type { Blueprint } from '../models/blueprint'
import type { CausalLM } from '../models/causal-lm'
import type { PretrainedConfig } from '../models/config'
import type { AdapterUpdate } from '../peft/adapter-update'
import type { WeightSource } from '../models/weights'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { merged } from './merged-tensors'
import { liveTensors, storedTensors, type SlicedTensor } from './sliced-tensor'

/** A whole model to be written to files; it may be in memory, or read from a checkpoint while it is written. */
export interface ExportedModel {
  config: PretrainedConfig
  blueprint: Blueprint
  /** Dtype of what is not quantized. */
  dtype: FloatDType
  /** Fields of generation_config.json. */
  generation: Readonly<Record<string, unknown>>
  /** Where the weights were loaded from. */
  name: string
  tensors: readonly SlicedTensor[]
}

/** A model in memory, with the changes of an adapter if one is given. */
export function exportedModel(model: CausalLM, adapter?: AdapterUpdate): ExportedModel {
  const { parts } = model
  const head = baseLayer(parts.lm_head)
  const tied = head instanceof Linear && head.weight === parts.embed_tokens.weight
  const blueprint = { ...model.blueprint, tied: tied && !adapter?.changesHead }
  const tensors = liveTensors(blueprint, parts)
  return { ...about(model), blueprint, tensors: changed(tensors, adapter) }
}

/** The weights of a checkpoint, read again, with the changes of an adapter. `about` describes their model. */
export function storedModel(
  model: Omit<ExportedModel, 'tensors'>,
  source: WeightSource,
  device: Device,
  adapter?: AdapterUpdate,
): ExportedModel {
  const tied = model.blueprint.tied && !adapter?.changesHead
  const tensors = storedTensors(model.blueprint, source, device, model.dtype)
  const blueprint = { ...model.blueprint, tied }
  if (model.blueprint.tied && !tied) {
    // The head starts with the embedding's values.
    const embedding = tensors[0]!
    tensors.push({ ...embedding, key: `${blueprint.head.key}.weight`, module: blueprint.head })
  }
  return { ...model, blueprint, tensors: changed(tensors, adapter) }
}

export function about(model: CausalLM): Omit<ExportedModel, 'tensors'> {
  const { config, blueprint, dtype, generation_config: generation, name_or_path: name } = model
  return { config, blueprint, dtype, generation, name }
}

function changed(
  tensors: readonly SlicedTensor[],
  adapter: AdapterUpdate | undefined,
): readonly SlicedTensor[] {
  return adapter ? tensors.map((tensor) => merged(tensor, adapter)) : tensors
}

/** The config.json of the written model. */
export function configOf(model: ExportedModel, dtype: FloatDType): Record<string, unknown> {
  const { quantization_config: _quantization, ...fields } = model.config.to_dict()
  return {
    ...fields,
    architectures: [model.config.architecture],
    model_type: model.config.model_type,
    tie_word_embeddings: model.blueprint.tied,
    dtype,
    // The name that transformers 4 uses.
    ...('torch_dtype' in fields && { torch_dtype: dtype }),
  }
}
