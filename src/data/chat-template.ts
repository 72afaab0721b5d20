import { messageOf } from '../files/atomic'
import { isFloat, markFloats } from '../files/json'
import { type RenderLimits } from './jinja/limits'
import { Template, type Rendered } from './jinja/template'

/**
 * One turn of a conversation. `content` may be missing, for instance if there are `tool_calls`; other keys are
 * passed to the template.
 */
export interface ChatMessage {
  role: string
  content?: unknown
  [key: string]: unknown
}

/** A rendered conversation, and the character ranges [start, end) of the assistant's text. */
export interface AssistantSpans {
  text: string
  spans: [number, number][]
  /** Whether the template itself marks the ranges, with `{% generation %}`. */
  marked: boolean
}

/** The template to render, and its limits. */
export interface ChatTemplateSource {
  source: string
  /** Names the template in errors, for instance the tokenizer's folder. */
  name?: string
  limits?: RenderLimits
}

let compiled: { source: string; template: Template } | undefined

/**
 * Renders a Jinja chat template with transformers' variables.
 * @throws Error with the template's own message (`raise_exception`), with the line of an error, or when a limit
 * is exceeded.
 */
export function renderChatTemplate(
  { source, name, limits }: ChatTemplateSource,
  variables: Readonly<Record<string, unknown>>,
): Rendered {
  try {
    if (compiled?.source !== source) compiled = { source, template: new Template(source) }
    return compiled.template.render(variables, limits)
  } catch (error) {
    const of = name === undefined ? '' : ` of '${name}'`
    throw new Error(`[apply_chat_template] the chat template${of} failed: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

/**
 * The keys under which a turn's reasoning is passed to the template, in the order in which they are read from
 * the turn.
 */
const reasoningFields = ['reasoning_content', 'thinking', 'reasoning'] as const

/**
 * The turns as transformers passes them to a template: keys with value null are omitted, and reasoning is
 * available under every key that templates read.
 * @throws TypeError for a turn that is not an object.
 */
export function templateMessages(messages: readonly ChatMessage[]): Record<string, unknown>[] {
  if (!Array.isArray(messages)) throw new TypeError('[apply_chat_template] a conversation is a list of turns')
  return messages.map((message: unknown, i) => {
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw new TypeError(
        `[apply_chat_template] turn ${i} is ${describe(message)}, needs an object with a role`,
      )
    const present = Object.entries(message).filter(([, value]) => value !== null && value !== undefined)
    const turn = Object.fromEntries(present)
    const floats = Object.keys(turn).filter((key) => Number.isInteger(turn[key]) && isFloat(message, key))
    if (floats.length > 0) markFloats(turn, new Set(floats))
    const reasoning = reasoningFields.map((field) => turn[field]).find((value) => value !== undefined)
    return reasoning === undefined ? turn : { thinking: reasoning, ...turn, reasoning_content: reasoning }
  })
}

function describe(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value
}

/** The rendered conversation, and the ranges that `{% generation %}` blocks mark. */
export function renderConversation(
  template: ChatTemplateSource,
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>>,
): Rendered {
  const given = { tools: null, documents: null, add_generation_prompt: false, ...variables }
  return renderChatTemplate(template, { ...given, messages: templateMessages(messages) })
}

/**
 * Renders a whole conversation and finds the assistant's text: the template's `{% generation %}` blocks if it
 * has them; else, for each assistant turn, the difference between the renderings without and with it.
 *
 * Throws when a prefix renders differently alone than inside the whole, since the ranges would then be
 * guesses.
 */
export function renderAssistantSpans(
  template: ChatTemplateSource,
  messages: readonly ChatMessage[],
  variables: Readonly<Record<string, unknown>>,
): AssistantSpans {
  const render = (part: readonly ChatMessage[], add_generation_prompt = false): Rendered =>
    renderConversation(template, part, { ...variables, add_generation_prompt })

  const { text, spans: marks } = render(messages)
  if (/\{%[-+]?\s*generation\s*[-+]?%\}/.test(template.source)) return { text, spans: marks, marked: true }

  const spans: [number, number][] = []
  messages.forEach((message, i) => {
    if (message.role !== 'assistant') return
    const before = messages.slice(0, i)
    const start = [true, false]
      .map((prompt) => (i === 0 && !prompt ? '' : render(before, prompt).text))
      .find((p) => text.startsWith(p))
    const { text: through } = render(messages.slice(0, i + 1))
    if (start === undefined || !text.startsWith(through)) {
      throw new Error(
        `[apply_chat_template] message ${i} (assistant) cannot be located: the template renders the messages up to it ` +
          'differently when more follow. Use a template with {% generation %} ... {% endgeneration %} around what the assistant says',
      )
    }
    spans.push([start.length, through.length])
  })
  return { text, spans, marked: false }
}
