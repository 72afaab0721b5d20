import { LoraConfig } from '../peft/config'
import { BitsAndBytesConfig } from '../quantization/config'
import { cuda } from '../tensor/cuda'

/** Which data a script reads; TRL's class of this name, for `TrlParser`. */
export class ScriptArguments {
  static readonly help: Readonly<Record<string, string>> = {
    dataset_name: 'Data set of the hub, or a folder',
    dataset_config: "One of the data card's configurations",
    dataset_train_split: 'Split to learn from',
    dataset_test_split: 'Split to evaluate on',
    dataset_streaming: 'Read the data while it is used',
  }
  dataset_name: string | null = null
  dataset_config: string | null = null
  dataset_train_split: string = 'train'
  dataset_test_split: string = 'test'
  dataset_streaming: boolean = false
}

/** Which model a script loads, in how many bits, and its adapter; TRL's class of this name, for `TrlParser`. */
export class ModelConfig {
  static readonly help: Readonly<Record<string, string>> = {
    model_name_or_path: 'Model of the hub, or a folder',
    use_peft: 'Train an adapter',
    lora_target_modules: 'Layers with an adapter; default: q_proj and v_proj',
    load_in_4bit: 'Load the model in 4 bits',
  }
  model_name_or_path: string | null = null
  model_revision: string = 'main'
  dtype: string = 'float32'
  attn_implementation: string | null = null
  use_peft: boolean = false
  lora_r: number = 16
  lora_alpha: number = 32
  lora_dropout: number = 0.05
  lora_target_modules: string[] | string | null = null
  lora_modules_to_save: string[] | string | null = null
  lora_task_type: string = 'CAUSAL_LM'
  use_rslora: boolean = false
  use_dora: boolean = false
  load_in_8bit: boolean = false
  load_in_4bit: boolean = false
  bnb_4bit_quant_type: string = 'nf4'
  use_bnb_nested_quant: boolean = false
}

const listOf = (given: string[] | string | null): string[] | null =>
  typeof given === 'string' ? given.split(/[ ,]+/) : given

/** The adapter that a script asks for, as TRL's function of this name; null without `use_peft`. */
export function get_peft_config(model_args: ModelConfig): LoraConfig | null {
  if (!model_args.use_peft) return null
  const { lora_target_modules, lora_modules_to_save } = model_args
  const target_modules = lora_target_modules === 'all-linear' ? 'all-linear' : listOf(lora_target_modules)
  return new LoraConfig({
    task_type: model_args.lora_task_type,
    r: model_args.lora_r,
    lora_alpha: model_args.lora_alpha,
    lora_dropout: model_args.lora_dropout,
    bias: 'none',
    ...(target_modules && { target_modules }),
    use_rslora: model_args.use_rslora,
    use_dora: model_args.use_dora,
    modules_to_save: listOf(lora_modules_to_save),
  } as ConstructorParameters<typeof LoraConfig>[0])
}

/** How a script quantizes its model, as TRL's function of this name; null where it does not. */
export function get_quantization_config(model_args: ModelConfig): BitsAndBytesConfig | null {
  const { load_in_4bit, load_in_8bit, dtype } = model_args
  if (load_in_8bit) return new BitsAndBytesConfig({ load_in_8bit } as never)
  if (!load_in_4bit) return null
  return new BitsAndBytesConfig({
    load_in_4bit,
    bnb_4bit_compute_dtype: dtype,
    bnb_4bit_quant_type: model_args.bnb_4bit_quant_type,
    bnb_4bit_use_double_quant: model_args.use_bnb_nested_quant,
  } as ConstructorParameters<typeof BitsAndBytesConfig>[0])
}

/** Where a quantized model goes: the GPU where there is one. */
export function get_kbit_device_map(): Record<string, number> | null {
  return cuda.is_available() ? { '': 0 } : null
}
