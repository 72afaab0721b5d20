import { AutoTokenizer } from '../data/auto-tokenizer'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { CausalLM } from '../models/causal-lm'
import { checkNames, show } from '../options/parse'
import { loadAny } from '../peft/auto'
import { LoraConfig } from '../peft/config'
import { get_peft_model, PeftModel } from '../peft/model'

export interface FastModelOptions {
  /** Model or adapter: a folder, or a repository of the hub. */
  model_name: string
  /** Tokens that the tokenizer cuts to. Default: 2048. */
  max_seq_length?: number
  /** null: the checkpoint's own. */
  dtype?: string | null
  /** Default: true, as in Unsloth. */
  load_in_4bit?: boolean
  device_map?: string | Record<string, number | string> | null
  token?: string
  revision?: string
}

export interface FastPeftOptions {
  r?: number
  target_modules?: readonly string[] | 'all-linear'
  lora_alpha?: number
  lora_dropout?: number
  bias?: 'none' | 'all' | 'lora_only'
  /** 'unsloth' or true: only the layers' inputs are kept for backward. Default: 'unsloth'. */
  use_gradient_checkpointing?: boolean | 'unsloth'
  /** Seed of the adapter's start. Default: 3407. */
  random_state?: number
  use_rslora?: boolean
  modules_to_save?: readonly string[] | null
}

const everyLinear = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const

/** Unsloth's names for loading a model and putting an adapter on it; what they do is what the other names do. */
export const FastLanguageModel: {
  /**
   * A model, or an adapter on the base that it names, with its tokenizer.
   * @throws TypeError on an unknown option
   */
  from_pretrained(options: FastModelOptions): Promise<[CausalLM | PeftModel, PreTrainedTokenizer]>
  /** Puts an adapter on the model. @throws TypeError on an unknown option, or where it has an adapter already */
  get_peft_model(model: CausalLM | PeftModel, options?: FastPeftOptions): PeftModel
  /** Answers need no other state here: gives the model back. */
  for_inference<M extends CausalLM | PeftModel>(model: M): M
  for_training<M extends CausalLM | PeftModel>(model: M): M
} = {
  async from_pretrained(options) {
    const owner = 'FastLanguageModel.from_pretrained'
    const known = [
      'model_name',
      'max_seq_length',
      'dtype',
      'load_in_4bit',
      'device_map',
      'token',
      'revision',
    ] as const
    checkNames<FastModelOptions>(owner, options, known, {
      full_finetuning: { default: false, reason: 'adapters are trained; the base model stays as it is.' },
      load_in_8bit: { default: false, reason: 'give quantization_config to AutoModelForCausalLM.' },
      trust_remote_code: { default: false, neutral: [true], reason: 'no code of a repository is ever run.' },
      fast_inference: { default: false, reason: 'there is one way to generate.' },
    })
    const { model_name, max_seq_length = 2048, dtype = null, load_in_4bit = true, ...rest } = options
    if (typeof model_name !== 'string' || model_name === '')
      throw new TypeError(
        `[${owner}] model_name: got ${show(model_name)}, needs the name or folder of a model`,
      )
    const { token, revision } = rest
    const hub = { ...(token !== undefined && { token }), ...(revision !== undefined && { revision }) }
    const model = await loadAny(model_name, { ...rest, load_in_4bit, ...(dtype !== null && { dtype }) })
    const tokenizer = await AutoTokenizer.from_pretrained(model_name, hub)
    tokenizer.model_max_length = max_seq_length
    return [model, tokenizer]
  },

  get_peft_model(model, options = {}) {
    const owner = 'FastLanguageModel.get_peft_model'
    const known = [
      'r',
      'target_modules',
      'lora_alpha',
      'lora_dropout',
      'bias',
      'use_gradient_checkpointing',
      'random_state',
      'use_rslora',
      'modules_to_save',
    ] as const
    checkNames<FastPeftOptions>(owner, options, known, {
      loftq_config: { default: null, neutral: [{}], reason: 'give a LoraConfig to get_peft_model.' },
      init_lora_weights: { default: true, reason: 'give a LoraConfig to get_peft_model.' },
      max_seq_length: { default: null, reason: 'give it to from_pretrained.' },
    })
    if (!(model instanceof CausalLM))
      throw new TypeError(
        `[${owner}] model: got ${model instanceof PeftModel ? 'a model with an adapter' : show(model)}, needs a model without one`,
      )
    const { use_gradient_checkpointing = 'unsloth', random_state = 3407, ...lora } = options
    if (use_gradient_checkpointing) model.gradient_checkpointing_enable()
    const config = new LoraConfig({
      r: 16,
      lora_alpha: 16,
      lora_dropout: 0,
      bias: 'none',
      target_modules: [...everyLinear],
      task_type: 'CAUSAL_LM',
      ...lora,
    } as ConstructorParameters<typeof LoraConfig>[0])
    return get_peft_model(model, config, { seed: random_state })
  },

  for_inference: (model) => model,
  for_training: (model) => model,
}
