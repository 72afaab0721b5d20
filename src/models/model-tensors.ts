import { Linear, type LinearLayer } from '../nn/linear'
import { baseLayer } from '../nn/lora'
import type { DType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import { placeOf, type ModelParts } from './assemble'
import { modulesOf, type Blueprint, type Module } from './blueprint'
import type { Embedding } from '../nn/embedding'
import type { RMSNorm } from '../nn/rms-norm'

/** One tensor of a model as an unquantized checkpoint stores it. */
export interface ModelTensor {
  /** Checkpoint key, e.g. `model.layers.0.self_attn.q_proj.weight`. */
  key: string
  shape: readonly number[]
  /** The dtype of `load`'s result; for a 4-bit weight, its dtype before quantization. */
  dtype: DType
  /** A new tensor on the model's device; 4-bit weights are dequantized. The caller disposes of it. */
  load(): Tensor
}

/**
 * The tensors of a model in the order of its modules, without those of adapters. A tied head is omitted unless
 * merging gave it weights of its own.
 */
export function* modelTensors(blueprint: Blueprint, parts: ModelParts): Generator<ModelTensor> {
  for (const module of modulesOf(blueprint)) yield* tensorsOf(module, parts)
  const head = baseLayer(parts.lm_head)
  if (blueprint.tied && head instanceof Linear && head.weight !== parts.embed_tokens.weight)
    yield* tensorsOf(blueprint.head, parts)
}

function* tensorsOf({ key, kind }: Module, parts: ModelParts): Generator<ModelTensor> {
  const part = placeOf(parts, key).get()
  if (kind !== 'linear') {
    yield stored(`${key}.weight`, (part as Embedding | RMSNorm).weight)
    return
  }
  const layer = baseLayer(part as LinearLayer)
  if (!layer) throw new TypeError(`[tensors] '${key}' holds a layer that does not tell its weight`)
  const { inFeatures, outFeatures, weightDtype, bias } = layer
  yield {
    key: `${key}.weight`,
    shape: [outFeatures, inFeatures],
    dtype: weightDtype,
    load: () => layer.denseWeight(),
  }
  if (bias) yield stored(`${key}.bias`, bias)
}

function stored(key: string, tensor: Tensor): ModelTensor {
  const load = (): Tensor => {
    const out = tensor.device.empty(tensor.shape, tensor.dtype)
    copy(tensor, out)
    return out
  }
  return { key, shape: tensor.shape, dtype: tensor.dtype, load }
}
