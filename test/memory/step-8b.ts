import type { StepShape } from '../../src/memory/dry-run'
import { LlamaConfig } from '../../src/models/config'
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
    config: new LlamaConfig({
      model_type: 'llama',
      vocab_size: 128256,
      hidden_size: 4096,
      intermediate_size: 14336,
      num_hidden_layers: layers,
      num_attention_heads: 32,
      num_key_value_heads: 8,
      rms_norm_eps: 1e-5,
      rope_theta: 500000,
      tie_word_embeddings: false,
    }),
    dtype: 'bfloat16',
    quantization: new BitsAndBytesConfig({
      load_in_4bit: true,
      bnb_4bit_quant_type: 'nf4',
      bnb_4bit_compute_dtype: 'bfloat16',
      bnb_4bit_use_double_quant: true,
    }),
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
