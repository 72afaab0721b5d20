import { AutoTokenizer } from '../data/auto-tokenizer'
import { checkSpecialIds } from '../data/special-tokens'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { AutoModelForCausalLM } from '../models/auto'
import type { CausalLM } from '../models/causal-lm'
import type { PretrainedOptions } from '../models/pretrained-options'
import type { LoraConfig } from '../peft/config'
import { get_peft_model, PeftModel } from '../peft/model'
import type { SFTConfig, TrainingArguments } from './arguments'

/** The model that is trained, and its tokenizer. */
export interface Subject {
  model: PeftModel
  tokenizer: PreTrainedTokenizer
}

/** The options that define a subject. */
export interface SubjectParts {
  owner: string
  model: string | CausalLM | PeftModel
  peft_config: LoraConfig | null
  tokenizer: PreTrainedTokenizer | undefined
  /** Options of from_pretrained, if the model is a name. */
  model_init_kwargs: PretrainedOptions | null
  args: TrainingArguments
}

/** The subject, if nothing has to be loaded for it. @throws TypeError when it cannot be trained. */
export function subjectAtHand(parts: SubjectParts): Subject | undefined {
  const { model, tokenizer, peft_config, owner } = parts
  if (typeof model !== 'string' && tokenizer) return subjectOf(model, tokenizer, parts)
  const takesAdapter = typeof model === 'string' || !(model instanceof PeftModel)
  if (takesAdapter && !peft_config)
    throw new TypeError(`[${owner}] peft_config is missing: only adapters are trained`)
  return undefined
}

/**
 * Loads what is given by name: the model (as in TRL, in float32, and on a GPU if there is one) and the model's
 * tokenizer.
 */
export async function loadSubject(parts: SubjectParts): Promise<Subject> {
  const { model, model_init_kwargs } = parts
  const loaded =
    typeof model === 'string'
      ? await AutoModelForCausalLM.from_pretrained(model, {
          device_map: 'auto',
          ...dtypeOf(model_init_kwargs),
          ...model_init_kwargs,
        })
      : model
  const base = loaded instanceof PeftModel ? loaded.base_model : loaded
  const tokenizer = parts.tokenizer ?? (await AutoTokenizer.from_pretrained(base.name_or_path))
  return subjectOf(loaded, tokenizer, parts)
}

/**
 * @throws Error when the vocabulary does not have a token that the arguments name, or the model has too few
 * tokens for the tokenizer.
 */
function subjectOf(
  model: CausalLM | PeftModel,
  tokenizer: PreTrainedTokenizer,
  parts: SubjectParts,
): Subject {
  const { eos_token, pad_token } = parts.args as Partial<SFTConfig>
  if (eos_token) tokenizer.eos_token = eos_token
  if (pad_token) tokenizer.pad_token = pad_token
  checkSpecialIds(`[${parts.owner}] processing_class`, tokenizer, model.config.vocab_size)
  return { model: adapted(model, parts), tokenizer }
}

const dtypeOf = (given: PretrainedOptions | null): PretrainedOptions =>
  given && ('dtype' in given || 'torch_dtype' in given) ? {} : { dtype: 'float32' }

/** Sets the seed before it makes the adapter, so that the same seed gives the same run. */
function adapted(model: CausalLM | PeftModel, { peft_config: config, args, owner }: SubjectParts): PeftModel {
  if (model instanceof PeftModel) {
    if (config)
      throw new TypeError(
        `[${owner}] the model has an adapter already; give a model or peft_config, not both`,
      )
    return model
  }
  if (!config) throw new TypeError(`[${owner}] peft_config is missing: only adapters are trained`)
  return get_peft_model(model, config, { seed: args.seed, dtype: args.bf16 ? 'bfloat16' : 'float32' })
}
