import { Template } from '@huggingface/jinja'

import { messageOf } from '../files/atomic'

/** One turn of a conversation. `content` is text for every template of this version's models; other keys reach the template. */
export interface ChatMessage {
  role: string
  content: string
  [key: string]: unknown
}

/** A rendered conversation, with the character ranges [start, end) that the assistant said. */
export interface AssistantSpans {
  text: string
  spans: [number, number][]
}

// Private-use characters that stand for the ends of a `{% generation %}` block while rendering.
const BEGIN = '\uE0F1'
const END = '\uE0F2'

let compiled: { source: string; template: Template } | undefined

/** Renders a Jinja chat template; throws with the template's own message (`raise_exception`) or the syntax error. */
export function renderChatTemplate(source: string, variables: Record<string, unknown>): string {
  try {
    if (compiled?.source !== source) compiled = { source, template: new Template(source) }
    return compiled.template.render(variables)
  } catch (error) {
    throw new Error(`[apply_chat_template] the chat template failed: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * Renders a whole conversation and finds what the assistant said: the template's `{% generation %}` blocks where it
 * has them, else, per assistant message, the difference between the rendering up to it and the rendering with it.
 *
 * Throws when a prefix renders differently alone than inside the whole: the spans would be guesses.
 */
export function renderAssistantSpans(
  source: string,
  messages: readonly ChatMessage[],
  variables: Record<string, unknown>,
): AssistantSpans {
  const render = (template: string, part: readonly ChatMessage[], add_generation_prompt = false): string =>
    renderChatTemplate(template, { ...variables, messages: part, add_generation_prompt })

  const marked = markGenerationBlocks(source)
  if (marked !== source) return cutMarks(render(marked, messages))

  const text = render(source, messages)
  const spans: [number, number][] = []
  messages.forEach((message, i) => {
    if (message.role !== 'assistant') return
    const before = messages.slice(0, i)
    const start = [true, false]
      .map((prompt) => (i === 0 && !prompt ? '' : render(source, before, prompt)))
      .find((p) => text.startsWith(p))
    const through = render(source, messages.slice(0, i + 1))
    if (start === undefined || !text.startsWith(through)) {
      throw new Error(
        `[apply_chat_template] message ${i} (assistant) cannot be located: the template renders the messages up to it ` +
          'differently when more follow. Use a template with {% generation %} ... {% endgeneration %} around what the assistant says',
      )
    }
    spans.push([start.length, through.length])
  })
  return { text, spans }
}

/** Puts printed marks inside `{% generation %}` blocks; the outer tags keep their own whitespace control. */
function markGenerationBlocks(source: string): string {
  return source.replace(
    /\{%(-?)\s*(end)?generation\s*(-?)%\}/g,
    (_, left: string, end: string | undefined, right: string) =>
      end
        ? `{%${left} endif %}{{ '${END}' }}{% endif ${right}%}`
        : `{%${left} if true %}{{ '${BEGIN}' }}{% if true ${right}%}`,
  )
}

function cutMarks(marked: string): AssistantSpans {
  const spans: [number, number][] = []
  let text = ''
  let start = 0
  for (const piece of marked.split(new RegExp(`(${BEGIN}|${END})`))) {
    if (piece === BEGIN) start = text.length
    else if (piece === END) spans.push([start, text.length])
    else text += piece
  }
  return { text, spans }
}
