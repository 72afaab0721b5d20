import { tensorBytes } from '../files/safetensors-header'
import { isQuantized } from '../models/quantized'
import type { BitsAndBytesConfig } from '../quantization/config'
import { WeightQuantizer } from '../quantization/quantize'
import { entries4bit } from '../quantization/stored-4bit'
import { disposeWeight, isNested, type Weight4bit } from '../quantization/weight-4bit'
import { configOf, type ExportedModel } from './exported-model'
import { plainGroup, writeModelFolder, type EntryGroup, type ModelFiles } from './save-model'
import type { SlicedTensor } from './sliced-tensor'

/** Slices begin at a multiple of this number of rows, so that no block is split, for rows of any even length. */
const ROWS = 64

/**
 * Writes a whole model with its linear layers in bitsandbytes' 4-bit layout, as transformers writes it. Weights
 * that are already 4-bit and unchanged are copied; the others are quantized one layer at a time.
 */
export function saveModel4bit(
  folder: string,
  model: ExportedModel,
  quantization: BitsAndBytesConfig,
  files: ModelFiles,
): Promise<void> {
  const groups = model.tensors.map((tensor) =>
    tensor.module.kind === 'linear' &&
    tensor.key.endsWith('.weight') &&
    isQuantized(tensor.module, quantization)
      ? quantizedGroup(tensor, quantization)
      : plainGroup(tensor, model.dtype),
  )
  const config = { ...configOf(model, model.dtype), quantization_config: quantization.to_dict() }
  return writeModelFolder(folder, model, config, groups, files)
}

function quantizedGroup(tensor: SlicedTensor, quantization: BitsAndBytesConfig): EntryGroup {
  const { key } = tensor.module
  const held = tensor.quantized
  const stored = {
    quantType: held?.quantType ?? quantization.bnb_4bit_quant_type,
    blocksize: held?.blocksize ?? 64,
    nested: held ? isNested(held.absmax) : quantization.bnb_4bit_use_double_quant,
    shape: [tensor.shape[0]!, tensor.shape[1]!] as const,
    dtype: tensor.dtype,
    storage: quantization.bnb_4bit_quant_storage,
  }
  const entries = held
    ? entries4bit(
        key,
        stored,
        () => Promise.resolve(held),
        () => undefined,
      )
    : entries4bit(key, stored, () => quantized(tensor, quantization), disposeWeight)
  return { entries, bytes: entries.reduce((n, { dtype, shape }) => n + tensorBytes(dtype, shape)!, 0) }
}

async function quantized(tensor: SlicedTensor, quantization: BitsAndBytesConfig): Promise<Weight4bit> {
  let quantizer: WeightQuantizer | undefined
  let first = 0
  try {
    for await (const slice of tensor.slices(ROWS)) {
      quantizer ??= new WeightQuantizer(slice.device, [tensor.shape[0]!, tensor.shape[1]!], tensor.dtype, {
        quant_type: quantization.bnb_4bit_quant_type,
        compress_statistics: quantization.bnb_4bit_use_double_quant,
      })
      quantizer.add(slice, first)
      first += slice.numel
    }
    return quantizer!.finish()
  } catch (error) {
    quantizer?.dispose()
    throw error
  }
}
