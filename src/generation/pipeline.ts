import type { ChatMessage } from '../data/chat-template'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { AutoTokenizer } from '../data/auto-tokenizer'
import { checkSpecialIds } from '../data/special-tokens'
import { AutoModelForCausalLM } from '../models/auto'
import type { CausalLM } from '../models/causal-lm'
import { PeftModel } from '../peft/model'
import { generate } from './generate'
import { parseOptions, show } from '../options/parse'
import { type GenerateOptions, generateOptionSet } from './options'

/** What applies to every call may be given here too; a call's own options win. */
export interface PipelineOptions extends TextGenerationOptions {
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

/** `await pipe(prompt)`: prompt is a text, or a conversation that the chat template renders; or a list of either. */
export interface TextGenerationPipeline extends Disposable {
  (prompt: string | ChatMessage[], options?: TextGenerationOptions): Promise<TextGenerationOutput[]>
  (
    prompts: readonly string[] | readonly ChatMessage[][],
    options?: TextGenerationOptions,
  ): Promise<TextGenerationOutput[][]>
  readonly model: CausalLM | PeftModel
  readonly tokenizer: PreTrainedTokenizer
  /** Frees a model that was given by name; a model object stays the caller's. */
  dispose(): void
}

/**
 * transformers' pipeline for text generation.
 * @throws Error on another task, when a model object comes without its tokenizer, or the tokenizer's special tokens lie beyond
 * the model's embedding.
 */
export async function pipeline(task: string, options: PipelineOptions): Promise<TextGenerationPipeline> {
  if (task !== 'text-generation')
    throw new Error(`[pipeline] task '${task}' is not supported; supported: text-generation`)
  const { model: source, tokenizer: ownTokenizer, ...defaults } = options
  checkCall(defaults)
  const byName = typeof source === 'string' ? source : undefined
  const tokenizer = ownTokenizer ?? (byName ? await AutoTokenizer.from_pretrained(byName) : undefined)
  if (!tokenizer) throw new Error('[pipeline] give the tokenizer beside a model object')
  const given = byName ? await AutoModelForCausalLM.from_pretrained(byName) : (source as CausalLM | PeftModel)
  const model = given instanceof PeftModel ? given.base_model : given
  try {
    checkSpecialIds('[pipeline] tokenizer', tokenizer, model.config.vocab_size)
  } catch (error) {
    if (byName) given.dispose()
    throw error
  }
  const answer = async (
    prompt: string | ChatMessage[],
    { return_full_text = true, ...rest }: TextGenerationOptions,
  ): Promise<TextGenerationOutput[]> => {
    const isChat = typeof prompt !== 'string'
    const text = isChat
      ? await tokenizer.apply_chat_template(prompt, { tokenize: false, add_generation_prompt: true })
      : prompt
    const ids = await tokenizer.encode(text, { add_special_tokens: !isChat })
    const known = rest.eos_token_id ?? model.generation_config['eos_token_id'] ?? model.config.eos_token_id
    const ends = known === undefined || known === null ? { eos_token_id: tokenizer.eos_token_id } : {}
    const [sequence] = await generate(model, { input_ids: [ids] }, { ...rest, ...ends })
    const generated = await tokenizer.decode(sequence!.slice(ids.length), { skip_special_tokens: true })
    if (!isChat) return [{ generated_text: return_full_text ? prompt + generated : generated }]
    const turn = { role: 'assistant', content: generated }
    return [{ generated_text: return_full_text ? [...prompt, turn] : generated }]
  }
  const run = async (
    prompt: string | readonly unknown[],
    generation: TextGenerationOptions = {},
  ): Promise<TextGenerationOutput[] | TextGenerationOutput[][]> => {
    const call = { ...defaults, ...generation }
    checkCall(call)
    if (isPrompt(prompt)) return answer(prompt, call)
    const answers: TextGenerationOutput[][] = []
    for (const [i, one] of prompt.entries()) {
      if (!isPrompt(one))
        throw new TypeError(`[pipeline] prompt ${i}: got ${show(one)}, needs a text or a list of messages`)
      answers.push(await answer(one, call))
    }
    return answers
  }
  const dispose = (): void => void (byName && given.dispose())
  return Object.assign(run as TextGenerationPipeline, {
    model: given,
    tokenizer,
    dispose,
    [Symbol.dispose]: dispose,
  })
}

/** A text, or a conversation: objects with a role. A list of either is no prompt. */
function isPrompt(value: unknown): value is string | ChatMessage[] {
  if (typeof value === 'string') return true
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((turn) => typeof turn === 'object' && 'role' in Object(turn))
  )
}

/** Before a model is loaded or a text encoded: unknown names and wrong values. */
function checkCall({ return_full_text, ...generation }: TextGenerationOptions): void {
  if (return_full_text !== undefined && typeof return_full_text !== 'boolean')
    throw new TypeError(`[pipeline] return_full_text: got ${show(return_full_text)}, needs true or false`)
  parseOptions({ ...generateOptionSet, owner: 'pipeline' }, generation)
}
