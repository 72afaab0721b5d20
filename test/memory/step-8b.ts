import { llama8b, nf4 } from '../../scripts/bench/random-model.mjs'
import type { StepShape } from '../../src/memory/dry-run'
import { PretrainedConfig } from '../../src/models/config'
import { LoraConfig } from '../../src/peft/config'
import { BitsAndBytesConfig } from '../../src/quantization/config'

/** Llama-3-8B in NF4 with double quantization, r 32 on all linear layers. */
export function step8B(
  tokens: number,
  sequences: number,
  optim: StepShape['optimizer']['optim'] = 'adamw_torch',
  layers: number = 32,
): StepShape {
  return {
    config: new PretrainedConfig(llama8b(layers)),
    dtype: 'bfloat16',
    quantization: new BitsAndBytesConfig(nf4),
    lora: new LoraConfig({ r: 32, target_modules: 'all-linear' }),
    adapterDtype: 'float32',
    optimizer: {
      optim,
      optim_args: null,
      adam_beta1: 0.9,
      adam_beta2: 0.999,
      adam_epsilon: 1e-8,
      weight_decay: 0,
    },
    autocast: 'bfloat16',
    tokens,
    sequences,
    gradientAccumulation: 1,
  }
}
