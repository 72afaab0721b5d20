// Written by scripts/generate-options.mjs from the option tables: change those, then `npm run generate`.
import type { BitsAndBytesConfig } from '../quantization/config'

/** The values of AutoModelForCausalLM.from_pretrained. */
export interface ParsedPretrainedOptions {
  /**
   * How to quantize the linear layers to 4 bits while they are read; null: not at all. A checkpoint that is already quantized keeps its own settings.
   *
   * Takes a BitsAndBytesConfig or null.
   * @default null
   */
  quantization_config: BitsAndBytesConfig | null
  /**
   * Dtype of everything that is not quantized; 'auto': that of the checkpoint, float32 for GGUF.
   *
   * Takes a text.
   * @default 'auto'
   */
  dtype: string
  /**
   * The one device of the whole model: { '': 0 } or 'cuda:0' is the first GPU, 'auto' a GPU if there is one; null: the CPU.
   *
   * Takes a text or an object or null.
   * @default null
   */
  device_map: string | Record<string, number | string> | null
  /**
   * A GGUF file of the folder or repository to read; null: config.json and safetensors.
   *
   * Takes a text or null.
   * @default null
   */
  gguf_file: string | null
  /**
   * Branch, tag or commit of the hub repository; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision: string | null
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token: string | boolean | null
  /**
   * Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).
   *
   * Takes a text or null.
   * @default null
   */
  cache_dir: string | null
  /**
   * Never ask the hub: read the cache only. HF_HUB_OFFLINE=1 does the same for every call.
   *
   * Takes true or false.
   * @default false
   */
  local_files_only: boolean
  /**
   * Short for quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }); together with a configuration the two must agree.
   *
   * Takes true or false.
   * @default false
   */
  load_in_4bit: boolean
  /**
   * Short for quantization_config: new BitsAndBytesConfig({ load_in_8bit: true }); together with a configuration the two must agree.
   *
   * Takes true or false.
   * @default false
   */
  load_in_8bit: boolean
  /**
   * Called after each tensor with the number of tensors read and the total.
   *
   * Takes a function.
   */
  progress: ((done: number, total: number) => void) | undefined
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal: AbortSignal | undefined
  /**
   * Not needed: there is one implementation of attention, which never holds a whole matrix of scores.
   *
   * Takes a text or null.
   * @default null
   */
  attn_implementation: string | null
  /**
   * Not needed: tensors are always loaded one at a time.
   *
   * Takes true or false or null.
   * @default null
   */
  low_cpu_mem_usage: boolean | null
  /**
   * Not needed: the whole model is on one device. SFTConfig's memory bounds a run.
   *
   * Takes an object with the memory of each device, or null.
   * @default null
   */
  max_memory: Record<string, number | string> | null
  /**
   * Not needed: the whole model is on one device.
   *
   * Takes a text or null.
   * @default null
   */
  offload_folder: string | null
  /**
   * Not needed: forward always gives names to what it returns.
   *
   * Takes true or false.
   * @default true
   */
  return_dict: boolean
  /**
   * No code of a repository is ever run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code: boolean
  /**
   * Not needed: training never keeps keys and values; generate takes an option of this name.
   *
   * Takes true or false.
   * @default true
   */
  use_cache: boolean
  /**
   * Not needed: safetensors are always read.
   *
   * Takes true or false or null.
   * @default null
   */
  use_safetensors: boolean | null
}

/** What AutoModelForCausalLM.from_pretrained takes. */
export interface PretrainedOptions {
  /**
   * How to quantize the linear layers to 4 bits while they are read; null: not at all. A checkpoint that is already quantized keeps its own settings.
   *
   * Takes a BitsAndBytesConfig or null.
   * @default null
   */
  quantization_config?: BitsAndBytesConfig | null
  /**
   * Dtype of everything that is not quantized; 'auto': that of the checkpoint, float32 for GGUF.
   *
   * Takes a text.
   * @default 'auto'
   */
  dtype?:
    | 'auto'
    | 'float32'
    | 'bfloat16'
    | 'float16'
    | 'torch.float32'
    | 'torch.bfloat16'
    | 'torch.float16'
    | (string & {})
  /**
   * The one device of the whole model: { '': 0 } or 'cuda:0' is the first GPU, 'auto' a GPU if there is one; null: the CPU.
   *
   * Takes a text or an object or null.
   * @default null
   */
  device_map?: 'auto' | 'cpu' | 'cuda' | (string & {}) | Record<string, number | string> | null
  /**
   * A GGUF file of the folder or repository to read; null: config.json and safetensors.
   *
   * Takes a text or null.
   * @default null
   */
  gguf_file?: string | null
  /**
   * Branch, tag or commit of the hub repository; null: main.
   *
   * Takes a text or null.
   * @default null
   */
  revision?: string | null
  /**
   * Hub token; true demands one, false sends none, null: HF_TOKEN or the token file, if any.
   *
   * Takes a text, true, false or null.
   * @default null
   */
  token?: string | boolean | null
  /**
   * Cache folder; null: the hub's own (HF_HUB_CACHE, else HF_HOME/hub, else ~/.cache/huggingface/hub).
   *
   * Takes a text or null.
   * @default null
   */
  cache_dir?: string | null
  /**
   * Never ask the hub: read the cache only. HF_HUB_OFFLINE=1 does the same for every call.
   *
   * Takes true or false.
   * @default false
   */
  local_files_only?: boolean
  /**
   * Short for quantization_config: new BitsAndBytesConfig({ load_in_4bit: true }); together with a configuration the two must agree.
   *
   * Takes true or false.
   * @default false
   */
  load_in_4bit?: boolean
  /**
   * Short for quantization_config: new BitsAndBytesConfig({ load_in_8bit: true }); together with a configuration the two must agree.
   *
   * Takes true or false.
   * @default false
   */
  load_in_8bit?: boolean
  /**
   * Called after each tensor with the number of tensors read and the total.
   *
   * Takes a function.
   */
  progress?: (done: number, total: number) => void
  /**
   * Aborts the call: it then rejects with the reason of the signal.
   *
   * Takes an AbortSignal.
   */
  signal?: AbortSignal
  /**
   * Not needed: there is one implementation of attention, which never holds a whole matrix of scores.
   *
   * Takes a text or null.
   * @default null
   */
  attn_implementation?: string | null
  /**
   * Not needed: tensors are always loaded one at a time.
   *
   * Takes true or false or null.
   * @default null
   */
  low_cpu_mem_usage?: boolean | null
  /**
   * Not needed: the whole model is on one device. SFTConfig's memory bounds a run.
   *
   * Takes an object with the memory of each device, or null.
   * @default null
   */
  max_memory?: Record<string, number | string> | null
  /**
   * Not needed: the whole model is on one device.
   *
   * Takes a text or null.
   * @default null
   */
  offload_folder?: string | null
  /**
   * Not needed: forward always gives names to what it returns.
   *
   * Takes true or false.
   * @default true
   */
  return_dict?: boolean
  /**
   * No code of a repository is ever run.
   *
   * Takes true or false.
   * @default false
   */
  trust_remote_code?: boolean
  /**
   * Not needed: training never keeps keys and values; generate takes an option of this name.
   *
   * Takes true or false.
   * @default true
   */
  use_cache?: boolean
  /**
   * Not needed: safetensors are always read.
   *
   * Takes true or false or null.
   * @default null
   */
  use_safetensors?: boolean | null
  /** Another spelling of dtype. Dtype of everything that is not quantized; 'auto': that of the checkpoint, float32 for GGUF. */
  torch_dtype?:
    | 'auto'
    | 'float32'
    | 'bfloat16'
    | 'float16'
    | 'torch.float32'
    | 'torch.bfloat16'
    | 'torch.float16'
    | (string & {})
  /** @deprecated not supported: the whole model is on one device. */
  offload_state_dict?: null | false
}
