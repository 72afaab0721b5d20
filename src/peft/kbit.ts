import { CausalLM } from '../models/causal-lm'
import { upcast } from '../models/upcast'
import { checkNames, show } from '../options/parse'

export interface KbitOptions {
  /** If the model is quantized, keep only the layers' inputs for the backward pass. Default: true. */
  use_gradient_checkpointing?: boolean
  /** Accepted; both values of use_reentrant have the same result here. */
  gradient_checkpointing_kwargs?: { use_reentrant?: boolean } | null
}

/**
 * Prepares a model for an adapter as PEFT did in 2023 and 2024: everything that is not quantized (norms,
 * embedding, head) becomes float32, and so do the activations; gradient checkpointing is turned on if the model
 * is quantized. TRL no longer does this, and without it a run needs less memory. Base weights are always frozen
 * here. Returns the model.
 * @throws TypeError when it is not a model, or on an unknown option; Error when the model already has an
 * adapter.
 */
export function prepare_model_for_kbit_training(model: CausalLM, options: KbitOptions = {}): CausalLM {
  const known = ['use_gradient_checkpointing', 'gradient_checkpointing_kwargs'] as const
  checkNames<KbitOptions>('prepare_model_for_kbit_training', options, known)
  if (!(model instanceof CausalLM))
    throw new TypeError(
      `[prepare_model_for_kbit_training] model: got ${show(model)}, needs a model from AutoModelForCausalLM.from_pretrained; call it before get_peft_model`,
    )
  upcast(model)
  if (model.quantization_config && (options.use_gradient_checkpointing ?? true))
    model.gradient_checkpointing_enable()
  return model
}
