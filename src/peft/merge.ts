import type { CausalLM } from '../models/causal-lm'
import { namingFile } from '../files/naming'
import { logger } from '../logging'
import { Linear, type BaseLayer } from '../nn/linear'
import { baseLayer } from '../nn/lora'
import { mergedRows } from '../nn/merged-rows'
import type { WeightSource } from '../models/weights'
import { BitsAndBytesConfig } from '../quantization/config'
import { copy } from '../tensor/ops'
import type { AdaptedLayer } from './inject'
import type { ParsedMergeOptions } from './options.generated'

/** Layers whose weights include the adapter's update. They replace the adapted layers, which are kept aside. */
export class MergedLayers {
  private constructor(
    private readonly model: CausalLM,
    private readonly layers: readonly (AdaptedLayer & { merged: BaseLayer })[],
  ) {}

  /** Makes all merged layers, then puts them in place. @throws Error; the model is then unchanged. */
  static async make(
    model: CausalLM,
    adapted: readonly AdaptedLayer[],
    options: ParsedMergeOptions,
  ): Promise<MergedLayers> {
    const source = options.base_weights === 'original' ? await originalWeights(model) : undefined
    const made: (AdaptedLayer & { merged: BaseLayer })[] = []
    try {
      for (const one of adapted) made.push({ ...one, merged: await mergedLayer(one, options, source) })
    } catch (error) {
      for (const { merged } of made) merged.disposeWeight()
      throw error
    } finally {
      await source?.close()
    }
    const layers = new MergedLayers(model, made)
    layers.use(true)
    return layers
  }

  /** Uses the merged layers, or those with the adapter. */
  use(on: boolean): void {
    for (const { slot, adapter, merged } of this.layers) slot.set(on ? merged : adapter)
  }

  /** Restores the adapted layers and frees the merged ones. */
  undo(): void {
    this.use(false)
    for (const { merged } of this.layers) merged.disposeWeight()
  }

  /** Makes the merged layers permanent: frees the base's own weights. */
  adopt(): void {
    const { model } = this
    this.use(true)
    for (const { adapter } of this.layers) {
      const { base } = adapter
      const { name, weight } = model.parts.embed_tokens
      if (!(base instanceof Linear && base.weight === weight)) base.disposeWeight()
      else
        logger.warning(
          `[merge_and_unload] the head shares its weight with ${name} (tie_word_embeddings): the adapter is merged into the head alone, which has a weight of its own now`,
        )
    }
    const full = this.layers.filter(({ merged }) => merged instanceof Linear).map(({ slot }) => slot.name)
    model.quantization_config = remaining(model, full)
  }
}

async function mergedLayer(
  { slot, adapter }: AdaptedLayer,
  { dtype, safe_merge }: ParsedMergeOptions,
  source: WeightSource | undefined,
): Promise<BaseLayer> {
  const { base } = adapter
  using scope = base.device.scope()
  const key = `${slot.name}.weight`
  const dense = scope.add(source ? await source.load(key, base.device, base.weightDtype) : base.denseWeight())
  const merged = scope.add(mergedRows(dense, adapter.update))
  if (safe_merge && !(await merged.data()).every(Number.isFinite))
    throw new Error(
      `[merge_adapter] the merged weight of '${slot.name}' is not finite; the adapter is broken`,
    )
  if (dtype === 'auto') return base.withWeight(merged)
  const out = scope.empty(merged.shape, dtype)
  copy(merged, out)
  return new Linear(base.name, scope.keep(out), base.bias)
}

/** @throws Error when there are no 16-bit weights to read. */
export async function originalWeights(model: CausalLM): Promise<WeightSource> {
  const { openOriginal, name_or_path: name } = model
  if (!openOriginal)
    throw new Error(
      `[merge_adapter] base_weights: 'original' needs a model from from_pretrained; use 'dequantized'`,
    )
  if (model.config.quantization_config)
    throw new Error(
      `[merge_adapter] base_weights: 'original': the checkpoint '${name}' itself is quantized; use 'dequantized'`,
    )
  return namingFile(name, openOriginal)
}

/** The model's quantization config after the layers of `full` have become full layers. */
function remaining(model: CausalLM, full: readonly string[]): BitsAndBytesConfig | undefined {
  const { quantization_config: config } = model
  if (!config || full.length === 0) return config
  const layers = [...model.linearSlots()].map((slot) => baseLayer(slot.get()))
  if (layers.every((layer) => layer instanceof Linear)) return undefined
  const skip = config.llm_int8_skip_modules ?? ['lm_head']
  return BitsAndBytesConfig.from_dict({ ...config.to_dict(), llm_int8_skip_modules: [...skip, ...full] })
}
