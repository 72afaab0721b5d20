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
import { forwardPadded, type ModelOutput } from './forward'
import { forwardBackward, type ForwardBackwardOptions, type StepResult } from './pass'
import type { PackedBatch } from './batch'

/** Fields of generation_config.json; `generate` reads its defaults here. */
export type GenerationDefaults = Record<string, unknown>

/** A place in the model where a linear layer sits, so that an adapter can wrap it. */
export interface LinearSlot {
  /** Module path as in the checkpoint, e.g. `model.layers.0.self_attn.q_proj`. */
  name: string
  /** Layers that read the same tensor have the same word here. */
  input: string
  get(): LinearLayer
  /** @throws TypeError when it is no layer of the slot's sizes. The layer that was there is not disposed of. */
  set(layer: LinearLayer): void
}

/**
 * A decoder with a language-model head, of one of the families in families.ts. Everything is frozen until an adapter is put on it
 * (`get_peft_model`). `from_pretrained` is on `AutoModelForCausalLM`.
 */
export class CausalLM {
  /** Of each layer only the input is kept for backward, the rest is recomputed: less memory, more time. */
  private checkpointing = false
  /** What training passes keep, offload and recompute, by the batch's size; set by a trainer. Default: as gradient checkpointing says. */
  memory_plans: MemoryPlans | undefined
  /** The adapter that is on the model, set by it. @internal */
  adapter: { unload(): unknown } | undefined
  /** Opens the checkpoint that the weights came from once more; set by `from_pretrained`. */
  openOriginal: (() => Promise<WeightSource>) | undefined
  /** What the model consists of. */
  readonly blueprint: Blueprint

  constructor(
    readonly config: PretrainedConfig,
    readonly parts: ModelParts,
    readonly device: Device,
    /** Dtype of activations, embedding, norms and head; `prepare_model_for_kbit_training` widens it. */
    public dtype: FloatDType,
    /** Where the weights came from; written into adapter_config.json. */
    readonly name_or_path: string,
    /** Which layers are in 4 bits, and how. */
    public quantization_config?: BitsAndBytesConfig | undefined,
    readonly generation_config: GenerationDefaults = {},
  ) {
    this.blueprint = blueprintOf(config)
  }

  /** Takes off the adapter that `get_peft_model` or a trainer has put on this model, and frees it. The model stays. */
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
   * Logits, and the loss when labels are given, of a right- or left-padded batch. Logits [B, S, vocab] and hidden states
   * [B, S, hidden] are zero where attention_mask is. The caller disposes of the tensors returned.
   */
  forward(inputs: ModelInputs): Promise<ModelOutput> {
    return forwardPadded(this, inputs)
  }

  /**
   * Accumulates gradients of the loss into `named_parameters()`; returns that loss: the mean over the batch's targets, or what
   * `objective` says.
   */
  forward_backward(batch: ModelInputs | PackedBatch, options?: ForwardBackwardOptions): Promise<StepResult> {
    return forwardBackward(this, batch, options)
  }

  /** Every linear layer, in the order of the model's modules, the head last. */
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
   * Every weight and bias by checkpoint key, in the order of the modules; a tied head has none of its own until an
   * adapter is merged into it. Values come with
   * `load()`, one tensor at a time, dequantized. Adapters are not in them.
   */
  tensors(): Generator<ModelTensor> {
    return modelTensors(this.blueprint, this.parts)
  }

  parameters(): Parameter[] {
    return [...this.linearSlots()].flatMap((s) => s.get().parameters())
  }

  /** Trainable parameters by name; `.grad` holds a float32 tensor after a backward. */
  named_parameters(): [string, Parameter][] {
    return this.parameters().map((p) => [p.name, p])
  }

  /** Frees all weights; what the device kept for reuse goes back to it. */
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
