import type { Embedding } from '../nn/embedding'
import type { LinearLayer } from '../nn/linear'
import type { Parameter } from '../nn/parameter'
import type { BitsAndBytesConfig } from '../quantization/config'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import { placeOf, type ModelParts } from './assemble'
import { modulesOf, type Blueprint, type LinearModule } from './blueprint'
import type { PretrainedConfig } from './config'
import { blueprintOf } from './families'
import type { WeightSource } from './weights'
import type { MemoryPlans } from './memory-plan'
import { modelTensors, type ModelTensor } from './model-tensors'
import { type ModelInputs } from './padding'
import { newRows, resizeTables, type ResizeOptions } from './resize'
import { forwardPadded, type ModelOutput } from './forward'
import { forwardBackward, type ForwardBackwardOptions, type StepResult } from './pass'
import type { PackedBatch } from './batch'

/** The fields of generation_config.json; `generate` takes its defaults from here. */
export type GenerationDefaults = Record<string, unknown>

/** The place of a linear layer in the model, so that an adapter can wrap it. */
export interface LinearSlot {
  /** Module path as in the checkpoint, e.g. `model.layers.0.self_attn.q_proj`. */
  name: string
  /** Identifies the tensor that the layer reads; layers with the same input have the same value. */
  input: string
  get(): LinearLayer
  /**
   * Replaces the layer; the old one is not disposed of. @throws TypeError when it is no layer of the slot's
   * sizes.
   */
  set(layer: LinearLayer): void
}

/**
 * A decoder with a language-model head, of one of the families in families.ts. All weights are frozen until an
 * adapter is put on it (`get_peft_model`). `from_pretrained` is a method of `AutoModelForCausalLM`.
 */
export class CausalLM {
  /** Whether backward keeps only each layer's input and recomputes the rest: less memory, more time. */
  private checkpointing = false
  /**
   * The plans of training passes, by batch size: what to keep, offload and recompute. Set by a trainer.
   * Default: gradient checkpointing decides.
   * @internal
   */
  memory_plans: MemoryPlans | undefined
  /** The adapter on the model, set by the adapter. @internal */
  adapter: { unload(): unknown } | undefined
  /** Opens the checkpoint of the weights again; set by `from_pretrained`. @internal */
  openOriginal: (() => Promise<WeightSource>) | undefined
  /** Rows of embedding and head in the checkpoint, where `resize_token_embeddings` has changed their number. @internal */
  originalVocabulary: number | undefined
  private described: { config: PretrainedConfig; blueprint: Blueprint }

  constructor(
    config: PretrainedConfig,
    /** The modules, arranged as the passes use them. @internal */
    readonly parts: ModelParts,
    readonly device: Device,
    /** Dtype of activations, embedding, norms and head; `prepare_model_for_kbit_training` changes it to float32. */
    public dtype: FloatDType,
    /** Where the weights were loaded from; written into adapter_config.json. */
    readonly name_or_path: string,
    /** Which layers are 4-bit, and in which format. */
    public quantization_config?: BitsAndBytesConfig | undefined,
    readonly generation_config: GenerationDefaults = {},
  ) {
    this.described = { config, blueprint: blueprintOf(config) }
  }

  get config(): PretrainedConfig {
    return this.described.config
  }

  /** The description of the model's modules. */
  get blueprint(): Blueprint {
    return this.described.blueprint
  }

  /**
   * Gives embedding and head so many rows, as a rule `tokenizer.length`; the old rows stay, `mean_resizing` says how new ones begin.
   * null: as many as there are, rounded up. Call it before an adapter is put on the model. Returns the embedding.
   * @throws TypeError on a number that is none; Error while an adapter is on the model.
   */
  resize_token_embeddings(new_num_tokens: number | null = null, options: ResizeOptions = {}): Embedding {
    const rows = newRows(this, new_num_tokens, options)
    if (this.adapter)
      throw new Error(
        '[resize_token_embeddings] the model has an adapter: call it before get_peft_model, or take the adapter off with unload()',
      )
    const { vocab_size } = this.config
    if (rows === vocab_size) return this.parts.embed_tokens
    const config = this.config.withVocabulary(rows)
    resizeTables(this, rows, options)
    this.originalVocabulary ??= vocab_size
    this.described = { config, blueprint: blueprintOf(config) }
    return this.parts.embed_tokens
  }

  /**
   * Removes the adapter that `get_peft_model` or a trainer has put on this model, and frees it. The model stays
   * usable.
   */
  unload(): this {
    this.adapter?.unload()
    return this
  }

  get is_gradient_checkpointing(): boolean {
    return this.checkpointing
  }

  gradient_checkpointing_enable(): void {
    this.checkpointing = true
  }

  gradient_checkpointing_disable(): void {
    this.checkpointing = false
  }

  /**
   * Logits of a right- or left-padded batch, and the loss if labels are given. Logits [B, S, vocab] and hidden
   * states [B, S, hidden] are zero at padding. The caller disposes of the returned tensors.
   */
  forward(inputs: ModelInputs): Promise<ModelOutput> {
    return forwardPadded(this, inputs)
  }

  /**
   * Accumulates gradients of the loss into `named_parameters()`. Returns the loss: the mean over the batch's
   * targets, or that of `objective`.
   */
  forward_backward(batch: ModelInputs | PackedBatch, options?: ForwardBackwardOptions): Promise<StepResult> {
    return forwardBackward(this, batch, options)
  }

  /** All linear layers, in the order of the model's modules, the head last. */
  *linearSlots(): Generator<LinearSlot> {
    const { layers, head } = this.blueprint
    for (const module of [...layers.flatMap(({ modules }) => modules), head]) {
      if (module.kind !== 'linear') continue
      const { get, set } = placeOf(this.parts, module.key)
      const checkedSet = (layer: LinearLayer): void => {
        checkLayer(module, layer)
        set(layer)
      }
      yield { name: module.key, input: module.reads, get: get as () => LinearLayer, set: checkedSet }
    }
  }

  /**
   * All weights and biases by checkpoint key, in the order of the modules. A tied head has none of its own
   * until an adapter is merged into it. `load()` returns the values of one tensor, dequantized. Adapters are
   * not included.
   */
  tensors(): Generator<ModelTensor> {
    return modelTensors(this.blueprint, this.parts)
  }

  parameters(): Parameter[] {
    const linears = [...this.linearSlots()].flatMap((s) => s.get().parameters())
    return [...this.parts.embed_tokens.parameters(), ...linears]
  }

  /** Trainable parameters by name; `.grad` holds a float32 tensor after a backward. */
  named_parameters(): [string, Parameter][] {
    return this.parameters().map((p) => [p.name, p])
  }

  /** Frees all weights, and the device's cached memory. */
  dispose(): void {
    for (const { key } of modulesOf(this.blueprint)) placeOf(this.parts, key).get().dispose()
    this.parts.lm_head.dispose()
    for (const { self_attn } of this.parts.layers) self_attn.rotary?.dispose()
    this.device.emptyCache()
  }
}

function checkLayer({ key, inFeatures, outFeatures }: LinearModule, layer: LinearLayer): void {
  for (const method of ['forward', 'backward', 'parameters', 'dispose'] as const) {
    if (typeof layer[method] !== 'function')
      throw new TypeError(`[linearSlots] ${key}: the layer has no method ${method}`)
  }
  if (layer.inFeatures !== inFeatures || layer.outFeatures !== outFeatures)
    throw new TypeError(
      `[linearSlots] ${key}: the layer is of ${layer.inFeatures} to ${layer.outFeatures} features; expected ${inFeatures} to ${outFeatures}`,
    )
}
