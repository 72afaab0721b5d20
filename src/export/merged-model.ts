import type { CausalLM } from '../models/causal-lm'
import type { AdapterUpdate } from '../peft/adapter-update'
import { originalWeights } from '../peft/merge'
import { about, exportedModel, storedModel, type ExportedModel } from './exported-model'

/**
 * Calls `write` with the model to be written: the one in memory, dequantized, or its checkpoint read again in
 * 16 bits; with the adapter's update if there is one. Weights are computed while they are written, a slice at a
 * time.
 */
export async function withMergedModel<T>(
  model: CausalLM,
  adapter: AdapterUpdate | undefined,
  base_weights: 'dequantized' | 'original',
  write: (model: ExportedModel) => Promise<T>,
): Promise<T> {
  if (base_weights === 'dequantized') return write(exportedModel(model, adapter))
  const source = await originalWeights(model)
  try {
    return await write(storedModel(about(model), source, model.device, adapter))
  } finally {
    await source.close()
  }
}
