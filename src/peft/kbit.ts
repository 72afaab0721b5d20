import { CausalLM } from '../models/causal-lm'
import { upcast } from '../models/upcast'
import { checkNames, show } from '../options/parse'

export interface KbitOptions {
  /** Keep only the layers' inputs for the backward pass, where the model is quantized. Default: true. */
  use_gradient_checkpointing?: boolean
  /** Accepted; both ways of use_reentrant are the same here. */
  gradient_checkpointing_kwargs?: { use_reentrant?: boolean } | null
}

/**
 * Prepares a model for an adapter as PEFT did in 2023 and 2024: everything that is not quantized, norms, embedding and head, becomes
 * float32, and so do the activations; gradient checkpointing is turned on where the model is quantized. TRL no longer does this: without
 * it the run takes less memory. Base weights are frozen here anyway. Returns the model.
 * @throws TypeError on what is no model or an unknown option; Error when the model has an adapter already.
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
