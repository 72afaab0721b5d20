import type { ChatMessage } from '../data/chat-template'
import { AutoTokenizer } from '../data/auto-tokenizer'
import { checkSpecialIds } from '../data/special-tokens'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { CausalLM } from '../models/causal-lm'
import type { PretrainedOptions } from '../models/pretrained-options'
import { resolve_file } from '../files/hub'
import { adapterConfig, loadAny } from '../peft/auto'
import { PeftModel } from '../peft/model'
import { generate } from './generate'
import { parseOptions, show } from '../options/parse'
import { type GenerateOptions, generateOptionSet } from './options'
import { endsOf } from './stream'

/** Options of calls may be given here too; a call's own options have priority. */
export interface PipelineOptions extends TextGenerationOptions {
  /**
   * A model, one with an adapter, or an argument for `from_pretrained`: a folder or repository of a model or an
   * adapter.
   */
  model: CausalLM | PeftModel | string
  /** Default: the tokenizer beside the model, or beside the adapter's base model. */
  tokenizer?: PreTrainedTokenizer
  /** Further options of `from_pretrained`, if the model is given by name. */
  model_kwargs?: PretrainedOptions
}

export interface TextGenerationOptions extends GenerateOptions {
  /** Return the prompt before the answer. Default true. */
  return_full_text?: boolean
  /**
   * Number of prompts of a list that are answered together. More is faster and needs more memory; the answers
   * are the same. Default 1.
   */
  batch_size?: number
}

export interface TextGenerationOutput {
  /** For a text prompt a text; for messages the conversation including the answer (or only the answer). */
  generated_text: string | ChatMessage[]
}

/**
 * `await pipe(prompt)`: the prompt is a text, or a conversation that the chat template renders, or a list of
 * either.
 */
export interface TextGenerationPipeline extends Disposable {
  (prompt: string | ChatMessage[], options?: TextGenerationOptions): Promise<TextGenerationOutput[]>
  (
    prompts: readonly string[] | readonly ChatMessage[][],
    options?: TextGenerationOptions,
  ): Promise<TextGenerationOutput[][]>
  readonly model: CausalLM | PeftModel
  readonly tokenizer: PreTrainedTokenizer
  /** Frees a model that was given by name; a model object belongs to the caller. */
  dispose(): void
}

/**
 * transformers' pipeline for text generation.
 * @throws Error on another task, for a model object without its tokenizer, or when the tokenizer's special
 * tokens are outside the model's embedding.
 */
export async function pipeline(task: string, options: PipelineOptions): Promise<TextGenerationPipeline> {
  if (task !== 'text-generation')
    throw new Error(`[pipeline] task '${task}' is not supported; supported: text-generation`)
  const { model: source, tokenizer: ownTokenizer, model_kwargs, ...defaults } = options
  checkCall(defaults)
  const byName = typeof source === 'string' ? source : undefined
  if (model_kwargs && byName === undefined)
    throw new TypeError('[pipeline] model_kwargs are for a model that is given by name')
  const tokenizer = ownTokenizer ?? (byName === undefined ? undefined : await tokenizerOf(byName))
  if (!tokenizer) throw new Error('[pipeline] give the tokenizer beside a model object')
  const given = byName === undefined ? (source as CausalLM | PeftModel) : await loadAny(byName, model_kwargs)
  const model = given instanceof PeftModel ? given.base_model : given
  try {
    checkSpecialIds('[pipeline] tokenizer', tokenizer, model.config.vocab_size)
  } catch (error) {
    if (byName) given.dispose()
    throw error
  }

  /** Answers `prompts` together; `from` is the index of the first among those of the call. */
  const answer = async (
    prompts: Prompt[],
    from: number,
    { return_full_text = true, batch_size: _, seed, ...rest }: TextGenerationOptions,
  ): Promise<TextGenerationOutput[][]> => {
    const input_ids = await Promise.all(prompts.map((prompt) => idsOf(prompt, tokenizer)))
    const sequences = await generate(
      model,
      { input_ids },
      {
        ...{ tokenizer, ...rest, ...endsOf(model, tokenizer, rest) },
        ...(typeof seed === 'number' && { seed: seed + from }),
        return_dict_in_generate: false,
      },
    )
    const each = sequences.length / prompts.length
    const answers = sequences.map((ids, i) => ids.slice(input_ids[Math.floor(i / each)]!.length))
    const texts = await tokenizer.batch_decode(answers, { skip_special_tokens: true })
    return prompts.map((prompt, i) =>
      texts.slice(i * each, (i + 1) * each).map((text) => ({
        generated_text: return_full_text ? joined(prompt, text) : text,
      })),
    )
  }
  const run = async (
    prompt: string | readonly unknown[],
    generation: TextGenerationOptions = {},
  ): Promise<TextGenerationOutput[] | TextGenerationOutput[][]> => {
    const call = { ...defaults, ...generation }
    checkCall(call)
    if (isPrompt(prompt)) return (await answer([prompt], 0, call))[0]!
    const prompts = prompt.map((one, i): Prompt => {
      if (isPrompt(one)) return one
      throw new TypeError(`[pipeline] prompt ${i}: got ${show(one)}, needs a text or a list of messages`)
    })
    const answers: TextGenerationOutput[][] = []
    const { batch_size = 1 } = call
    for (let at = 0; at < prompts.length; at += batch_size)
      answers.push(...(await answer(prompts.slice(at, at + batch_size), at, call)))
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

type Prompt = string | ChatMessage[]

/** The tokenizer beside a model or an adapter, else that of the adapter's base model. */
export async function tokenizerOf(
  source: string,
  gguf_file: string | null = null,
): Promise<PreTrainedTokenizer> {
  const own = await resolve_file(source, 'tokenizer.json')
  const base = own ? undefined : (await adapterConfig(source))?.base
  return AutoTokenizer.from_pretrained(base ?? source, { gguf_file })
}

/** Ids of a text with the tokenizer's special tokens, or of a conversation with those in its template. */
async function idsOf(prompt: Prompt, tokenizer: PreTrainedTokenizer): Promise<number[]> {
  if (typeof prompt === 'string') return tokenizer.encode(prompt)
  return tokenizer.apply_chat_template(prompt, { add_generation_prompt: true, return_dict: false })
}

function joined(prompt: Prompt, text: string): string | ChatMessage[] {
  return typeof prompt === 'string' ? prompt + text : [...prompt, { role: 'assistant', content: text }]
}

/** A text, or a conversation, which is a list of objects with a role. A list of either is not a prompt. */
function isPrompt(value: unknown): value is Prompt {
  if (typeof value === 'string') return true
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((turn) => typeof turn === 'object' && 'role' in Object(turn))
  )
}

/** Checks names and values before a model is loaded or a text encoded. */
function checkCall({ return_full_text, batch_size, ...generation }: TextGenerationOptions): void {
  if (return_full_text !== undefined && typeof return_full_text !== 'boolean')
    throw new TypeError(`[pipeline] return_full_text: got ${show(return_full_text)}, needs true or false`)
  if (batch_size !== undefined && !(Number.isInteger(batch_size) && batch_size > 0))
    throw new TypeError(`[pipeline] batch_size: got ${show(batch_size)}, needs a whole number >= 1`)
  parseOptions({ ...generateOptionSet, owner: 'pipeline' }, generation)
}
