import type { ChatMessage } from '../data/chat-template'
import type { PreTrainedTokenizer } from '../data/tokenizer'
import { logger } from '../logging'

/** The text that a chat template puts before and after each message, if it is the same in every turn. */
export interface TurnMarks {
  system?: readonly [string, string] | undefined
  user: readonly [string, string]
  assistant: readonly [string, string]
  /** The text that begins the answer. */
  generation: string
  /** The system message of the template if none is given. */
  defaultSystem?: string | undefined
}

const [SYSTEM, USER, ANSWER, AGAIN] = ['QZsystemZQ', 'QZuserZQ', 'QZanswerZQ', 'QZagainZQ']
const said = {
  system: { role: 'system', content: SYSTEM },
  user: { role: 'user', content: USER },
  answer: { role: 'assistant', content: ANSWER },
  again: { role: 'user', content: AGAIN },
} satisfies Record<string, ChatMessage>

/**
 * The marks of a tokenizer's chat template, found by rendering conversations. Undefined if the template does
 * more than put marks around turns. A begin token that the tokenizer adds itself is left out.
 */
export async function turnMarks(tokenizer: PreTrainedTokenizer): Promise<TurnMarks | undefined> {
  const bos = (await addsBos(tokenizer)) ? (tokenizer.bos_token ?? '') : ''
  const render = async (
    messages: ChatMessage[],
    add_generation_prompt = false,
  ): Promise<string | undefined> => {
    try {
      const text = await tokenizer.apply_chat_template(messages, { tokenize: false, add_generation_prompt })
      return text.startsWith(bos) ? text.slice(bos.length) : text
    } catch {
      return undefined // a template may refuse a role
    }
  }
  const { system, user, answer, again } = said
  const one = await render([user])
  const asked = await render([user], true)
  const two = await render([user, answer])
  const three = await render([user, answer, again])
  const withSystem = await render([system, user])
  const opening = between(one, '', USER)
  const userSuffix = between(one, USER)
  const assistant = marksAround(two, one, ANSWER)
  const next = marksAround(three, two, AGAIN)
  if (opening === undefined || userSuffix === undefined || !assistant || !next) return undefined
  if (!opening.endsWith(next[0]) || next[1] !== userSuffix || !asked?.startsWith(one!)) return undefined
  const marks: TurnMarks = { user: next, assistant, generation: asked.slice(one!.length) }
  const beforeUser = between(withSystem, SYSTEM, USER)
  const beforeSystem = between(withSystem, '', SYSTEM)
  if (beforeUser?.endsWith(next[0]) && beforeSystem !== undefined)
    marks.system = [beforeSystem, beforeUser.slice(0, beforeUser.length - next[0].length)]
  const start = opening.slice(0, opening.length - next[0].length)
  if (start !== '') {
    const [before, after] = marks.system ?? ['', '']
    if (!marks.system || !start.startsWith(before) || !start.endsWith(after)) return undefined
    marks.defaultSystem = start.slice(before.length, start.length - after.length)
  }
  const conversation = [...(marks.system ? [system] : []), user, answer, again]
  const isSame = (await render(conversation, true)) === applied(marks, conversation)
  return isSame ? marks : undefined
}

/** A conversation with the marks around its turns, up to the beginning of the answer. */
export function applied(marks: TurnMarks, messages: readonly ChatMessage[]): string {
  const withDefault =
    marks.defaultSystem !== undefined && messages[0]?.role !== 'system'
      ? [{ role: 'system', content: marks.defaultSystem } as ChatMessage, ...messages]
      : messages
  const turns = withDefault.map(({ role, content }) => {
    const [before, after] = marks[role as 'system' | 'user' | 'assistant'] ?? ['', '']
    return `${before}${String(content)}${after}`
  })
  return turns.join('') + marks.generation
}

/** Whether the tokenizer adds its begin token to every text. */
export async function addsBos(tokenizer: PreTrainedTokenizer): Promise<boolean> {
  const [first] = await tokenizer.encode('a')
  return first !== undefined && first === tokenizer.bos_token_id
}

function between(text: string | undefined, before: string, after?: string): string | undefined {
  if (text === undefined) return undefined
  const from = text.indexOf(before)
  const to = after === undefined ? text.length : text.indexOf(after)
  return from < 0 || to < 0 ? undefined : text.slice(from + before.length, to)
}

/** The text around `content` in the part of `longer` that `shorter` does not have. */
function marksAround(
  longer: string | undefined,
  shorter: string | undefined,
  content: string,
): readonly [string, string] | undefined {
  if (shorter === undefined || !longer?.startsWith(shorter)) return undefined
  const rest = longer.slice(shorter.length)
  const at = rest.indexOf(content)
  return at < 0 ? undefined : [rest.slice(0, at), rest.slice(at + content.length)]
}

export interface ModelfileFacts {
  /** The argument of FROM: a file beside it, or a model of Ollama. */
  from: string
  /** A GGUF file of an adapter beside it. */
  adapter?: string | undefined
  /** Comment lines at the top. */
  comment?: string | undefined
  generation: Readonly<Record<string, unknown>>
  endTokens: readonly number[]
}

/** Ollama's Modelfile, with template, stops and sampling of this model, so that it answers in the same way. */
export async function modelfile(tokenizer: PreTrainedTokenizer, facts: ModelfileFacts): Promise<string> {
  const lines = [...(facts.comment ? [`# ${facts.comment}`] : []), `FROM ${facts.from}`]
  if (facts.adapter !== undefined) lines.push(`ADAPTER ${facts.adapter}`)
  const marks = tokenizer.chat_template === null ? undefined : await turnMarks(tokenizer)
  const template = marks && goTemplate(marks)
  if (template !== undefined) {
    lines.push(`TEMPLATE """${template}"""`)
    if (marks!.defaultSystem !== undefined) lines.push(`SYSTEM """${marks!.defaultSystem}"""`)
  } else {
    lines.push('# No TEMPLATE: the chat template does more than put marks around turns, or there is none.')
    lines.push('# Ollama takes what it knows for the template in the GGUF file; write one here to be sure.')
    logger.warning(
      `[save_pretrained_gguf] the chat template of '${tokenizer.name_or_path}' cannot be written as Ollama's TEMPLATE; Modelfile leaves it to Ollama`,
    )
  }
  const stops = facts.endTokens.flatMap((id) => tokenizer.convert_ids_to_tokens(id) ?? [])
  for (const stop of new Set(stops)) lines.push(`PARAMETER stop ${JSON.stringify(stop)}`)
  return `${[...lines, ...samplingLines(facts.generation)].join('\n')}\n`
}

/**
 * The same turns as a Go template; undefined if the marks contain characters that the template or the Modelfile
 * would interpret.
 */
function goTemplate({
  system,
  user,
  assistant,
  generation,
  defaultSystem = '',
}: TurnMarks): string | undefined {
  const marks = { system, user, assistant }
  const texts = [...Object.values(marks).flatMap((pair) => pair ?? []), generation, defaultSystem]
  if (texts.some((text) => /\{\{|"""/.test(text))) return undefined
  const branches = Object.entries(marks).flatMap(([role, pair]) =>
    pair ? [`if eq .Role "${role}" }}${pair[0]}{{ .Content }}${pair[1]}{{`] : [],
  )
  return `{{ range .Messages }}{{ ${branches.join(' else ')} end }}{{ end }}${generation}`
}

const sampling = {
  temperature: 'temperature',
  top_k: 'top_k',
  top_p: 'top_p',
  min_p: 'min_p',
  repetition_penalty: 'repeat_penalty',
} as const

/** Without do_sample, an answer consists of the most probable tokens: a temperature of 0. */
function samplingLines(generation: Readonly<Record<string, unknown>>): string[] {
  const penalty = generation['repetition_penalty'] ?? 1
  if (generation['do_sample'] !== true)
    return ['PARAMETER temperature 0', `PARAMETER repeat_penalty ${String(penalty)}`]
  return Object.entries(sampling).flatMap(([name, theirs]) => {
    const value = generation[name]
    return typeof value === 'number' ? [`PARAMETER ${theirs} ${value}`] : []
  })
}
