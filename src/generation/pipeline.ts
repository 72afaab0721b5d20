import type { ChatMessage } from '../data/chat-template'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { AutoTokenizer } from '../data/auto-tokenizer'
import { AutoModelForCausalLM } from '../models/auto'
import type { CausalLM } from '../models/causal-lm'
import { PeftModel } from '../peft/model'
import { generate } from './generate'
import type { GenerateOptions } from './options'

export interface PipelineOptions {
  /** A model, one with an adapter, or what `from_pretrained` takes. */
  model: CausalLM | PeftModel | string
  tokenizer?: PreTrainedTokenizer
}

export interface TextGenerationOptions extends GenerateOptions {
  /** Give the prompt back in front of the answer. Default true. */
  return_full_text?: boolean
}

export interface TextGenerationOutput {
  /** Text for a text prompt; the conversation with the answer appended (or the answer alone) for messages. */
  generated_text: string | ChatMessage[]
}

/** `await pipe(prompt)`: prompt is a text, or a conversation that the chat template renders. */
export interface TextGenerationPipeline extends Disposable {
  (prompt: string | ChatMessage[], options?: TextGenerationOptions): Promise<TextGenerationOutput[]>
  readonly model: CausalLM | PeftModel
  readonly tokenizer: PreTrainedTokenizer
  /** Frees a model that was given by name; a model object stays the caller's. */
  dispose(): void
}

/**
 * transformers' pipeline for text generation.
 * @throws Error on another task, or when a model object comes without its tokenizer.
 */
export async function pipeline(task: string, options: PipelineOptions): Promise<TextGenerationPipeline> {
  if (task !== 'text-generation')
    throw new Error(`[pipeline] task '${task}' is not supported; supported: text-generation`)
  const byName = typeof options.model === 'string' ? options.model : undefined
  const tokenizer = options.tokenizer ?? (byName ? await AutoTokenizer.from_pretrained(byName) : undefined)
  if (!tokenizer) throw new Error('[pipeline] give the tokenizer beside a model object')
  const given = byName
    ? await AutoModelForCausalLM.from_pretrained(byName)
    : (options.model as CausalLM | PeftModel)
  const model = given instanceof PeftModel ? given.base_model : given
  const run = async (
    prompt: string | ChatMessage[],
    generation: TextGenerationOptions = {},
  ): Promise<TextGenerationOutput[]> => {
    const { return_full_text = true, ...rest } = generation
    const isChat = typeof prompt !== 'string'
    const text = isChat
      ? await tokenizer.apply_chat_template(prompt, { tokenize: false, add_generation_prompt: true })
      : prompt
    const ids = await tokenizer.encode(text, { add_special_tokens: !isChat })
    const known = rest.eos_token_id ?? model.generation_config['eos_token_id'] ?? model.config.eos_token_id
    const ends = known === undefined || known === null ? { eos_token_id: tokenizer.eos_token_id } : {}
    const [sequence] = await generate(model, { input_ids: [ids] }, { ...rest, ...ends })
    const answer = await tokenizer.decode(sequence!.slice(ids.length), { skip_special_tokens: true })
    if (!isChat) return [{ generated_text: return_full_text ? prompt + answer : answer }]
    const turn = { role: 'assistant', content: answer }
    return [{ generated_text: return_full_text ? [...prompt, turn] : answer }]
  }
  const dispose = (): void => void (byName && given.dispose())
  return Object.assign(run, { model: given, tokenizer, dispose, [Symbol.dispose]: dispose })
}
