import type { Attention } from '../nn/attention'
import type { Embedding } from '../nn/embedding'
import type { LinearLayer } from '../nn/linear'
import type { MLP } from '../nn/mlp'
import type { Parameter } from '../nn/parameter'
import type { RMSNorm } from '../nn/rms-norm'
import type { RotaryEmbedding } from '../nn/rope'
import type { BitsAndBytesConfig } from '../quantization/config'
import type { Device } from '../tensor/device'
import type { FloatDType } from '../tensor/dtype'
import type { PretrainedConfig } from './config'
import type { DecoderLayer } from './decoder-layer'
import type { MemoryPlans } from './memory-plan'
import { type ModelInputs } from './padding'
import { forwardPadded, type ModelOutput } from './forward'
import { forwardBackward, type StepResult } from './pass'
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
  set(layer: LinearLayer): void
}

export interface ModelParts {
  embed_tokens: Embedding
  layers: DecoderLayer[]
  norm: RMSNorm
  lm_head: LinearLayer
  rotary: RotaryEmbedding
}

/** The layers of each module, and what they read. */
const attentionLinears = { q_proj: 'x', k_proj: 'x', v_proj: 'x', o_proj: 'heads' } as const
const mlpLinears = { gate_proj: 'x', up_proj: 'x', down_proj: 'h' } as const

/**
 * A Llama-family decoder with a language-model head. Everything is frozen until an adapter is put on it
 * (`get_peft_model`). `from_pretrained` is on `AutoModelForCausalLM`.
 */
export class CausalLM {
  /** Of each layer only the input is kept for backward, the rest is recomputed: less memory, more time. */
  private checkpointing = false
  /** What training passes keep, offload and recompute, by the batch's size; set by a trainer. Default: as gradient checkpointing says. */
  memory_plans: MemoryPlans | undefined

  constructor(
    readonly config: PretrainedConfig,
    readonly parts: ModelParts,
    readonly device: Device,
    /** Dtype of activations, embedding, norms and head. */
    readonly dtype: FloatDType,
    /** Where the weights came from; written into adapter_config.json. */
    readonly name_or_path: string,
    readonly quantization_config?: BitsAndBytesConfig | undefined,
    readonly generation_config: GenerationDefaults = {},
  ) {}

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

  /** Accumulates gradients of the mean loss over the batch's targets into `named_parameters()`; returns that loss. */
  forward_backward(batch: ModelInputs | PackedBatch): Promise<StepResult> {
    return forwardBackward(this, batch)
  }

  /** Every linear layer, in the order of the model's modules, the head last. */
  *linearSlots(): Generator<LinearSlot> {
    for (const layer of this.parts.layers) {
      const prefix = `model.layers.${layer.index}`
      yield* slots(`${prefix}.self_attn`, layer.self_attn, attentionLinears)
      yield* slots(`${prefix}.mlp`, layer.mlp, mlpLinears)
    }
    yield slot('lm_head', this.parts, 'lm_head', 'hidden')
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
    this.parts.embed_tokens.dispose()
    for (const layer of this.parts.layers) layer.dispose()
    this.parts.norm.dispose()
    this.parts.lm_head.dispose()
    this.parts.rotary.dispose()
    this.device.emptyCache()
  }
}

function* slots(
  prefix: string,
  owner: Attention | MLP,
  inputs: Readonly<Record<string, string>>,
): Generator<LinearSlot> {
  for (const [key, input] of Object.entries(inputs)) {
    yield slot(`${prefix}.${key}`, owner, key, `${prefix} ${input}`)
  }
}

function slot(name: string, owner: Attention | MLP | ModelParts, key: string, input: string): LinearSlot {
  const record = owner as unknown as Record<string, LinearLayer>
  return { name, input, get: () => record[key]!, set: (layer) => (record[key] = layer) }
}
