import { Linear, type LinearLayer } from '../nn/linear'
import { Linear4bit } from '../nn/linear4bit'
import { baseLayer } from '../nn/lora'
import { placeOf, type ModelParts, type Part } from '../models/assemble'
import { modulesOf, weightShape, type Blueprint, type Module } from '../models/blueprint'
import type { WeightSource } from '../models/weights'
import type { Embedding } from '../nn/embedding'
import type { RMSNorm } from '../nn/rms-norm'
import type { Weight4bit } from '../quantization/weight-4bit'
import type { Device } from '../tensor/device'
import { fromSafetensorsDType, itemsize, type FloatDType } from '../tensor/dtype'
import { copy } from '../tensor/ops'
import { readInto } from '../tensor/safetensors'
import type { Tensor } from '../tensor/tensor'

/**
 * Values of a slice: about 32 MB in float32, so that the largest embedding takes no more memory than a small
 * layer.
 */
const SLICE_VALUES = 8 << 20

/** A weight or bias that is written a few rows at a time. */
export interface SlicedTensor {
  /** Checkpoint key, e.g. `model.layers.0.self_attn.q_proj.weight`. */
  key: string
  module: Module
  shape: readonly number[]
  /** Dtype of the slices. */
  dtype: FloatDType
  /** The 4-bit weight from which the slices are dequantized. */
  quantized?: Weight4bit | undefined
  /**
   * Its rows in order. The length of each slice but the last is a multiple of `rows`. A slice is freed when the
   * next is requested.
   */
  slices(rows: number): AsyncGenerator<Tensor>
}

/** The row ranges of the slices. */
export function* sliceRanges(shape: readonly number[], multiple: number): Generator<[number, number]> {
  const [rows = 1, ...rest] = shape
  const columns = rest.reduce((n, d) => n * d, 1)
  const step = Math.max(1, Math.floor(SLICE_VALUES / columns / multiple)) * multiple
  for (let begin = 0; begin < rows; begin += step) yield [begin, Math.min(rows, begin + step)]
}

/** The weights of a model in memory, dequantized; for layers with an adapter those of the base layer. */
export function liveTensors(blueprint: Blueprint, parts: ModelParts): SlicedTensor[] {
  return modulesOf(blueprint).flatMap((module) => {
    const part = placeOf(parts, module.key).get()
    const weight = weightOf(module, part)
    const bias = module.kind === 'linear' && baseLayer(part as LinearLayer)?.bias
    return bias ? [weight, held(module, 'bias', bias)] : [weight]
  })
}

function weightOf(module: Module, part: Part): SlicedTensor {
  if (module.kind !== 'linear') return held(module, 'weight', (part as Embedding | RMSNorm).weight)
  const layer = baseLayer(part as LinearLayer)
  if (!layer)
    throw new TypeError(`[save_pretrained] '${module.key}' holds a layer that does not tell its weight`)
  if (layer instanceof Linear) return held(module, 'weight', layer.weight)
  return {
    ...{ key: `${module.key}.weight`, module, shape: weightShape(module), dtype: layer.weightDtype },
    quantized: layer instanceof Linear4bit ? layer.weight : undefined,
    async *slices(rows) {
      using dense = layer.denseWeight()
      yield* views(dense, rows)
    },
  }
}

function held(module: Module, kind: 'weight' | 'bias', tensor: Tensor): SlicedTensor {
  return {
    ...{ key: `${module.key}.${kind}`, module, shape: tensor.shape, dtype: tensor.dtype as FloatDType },
    slices: (rows) => views(tensor, rows),
  }
}

async function* views(tensor: Tensor, rows: number): AsyncGenerator<Tensor> {
  for (const [begin, end] of sliceRanges(tensor.shape, rows)) {
    using view = tensor.slice(begin, end)
    yield view
    // Without this wait, the work for a whole model would be enqueued faster than the disk writes.
    await tensor.device.synchronize()
  }
}

/** The tensors of an unquantized checkpoint, read when they are requested and rounded to `dtype`. */
export function storedTensors(
  blueprint: Blueprint,
  source: WeightSource,
  device: Device,
  dtype: FloatDType,
): SlicedTensor[] {
  return modulesOf(blueprint).flatMap((module) => {
    const kinds = module.kind === 'linear' && module.bias ? ['weight', 'bias'] : ['weight']
    return kinds.map((kind): SlicedTensor => {
      const key = `${module.key}.${kind}`
      const shape = source.shape(key)
      return { key, module, shape, dtype, slices: (rows) => readSlices(source, key, device, dtype, rows) }
    })
  })
}

async function* readSlices(
  source: WeightSource,
  key: string,
  device: Device,
  dtype: FloatDType,
  rows: number,
): AsyncGenerator<Tensor> {
  const info = source.location?.(key)
  if (!info) {
    using whole = await source.load(key, device, dtype)
    yield* views(whole, rows)
    return
  }
  const stored = fromSafetensorsDType(info.dtype)
  const [, ...rest] = info.shape
  const rowBytes = rest.reduce((n, d) => n * d, itemsize[stored])
  for (const [begin, end] of sliceRanges(info.shape, rows)) {
    using slice = device.empty([end - begin, ...rest], stored)
    await readInto(slice, info.file, info.offset + begin * rowBytes)
    if (stored === dtype) yield slice
    else {
      using converted = device.empty(slice.shape, dtype)
      copy(slice, converted)
      yield converted
    }
  }
}
