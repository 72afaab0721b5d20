import type { ChatMessage } from '../chat-template'
import type { Dataset, Row } from '../dataset'
import type { PreTrainedTokenizer } from '../tokenizer'
import { templateOptionsOf, turnsOf } from '../turns'

/** A part of a row: a text, or the turns of a conversation. */
export type Said = string | ChatMessage[]

/** The position of a value, for messages: the objective's name (DPO, ...), and the row's number in its data set. */
export interface Place {
  owner: string
  index: number
}

/**
 * The value of a row's column. @throws TypeError naming row and column when it is neither a text nor a list of
 * turns.
 */
export function saidIn(row: Row, column: string, { owner, index }: Place): Said {
  const value = row[column]
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return turnsOf(value, column, index, owner)
  const found = value === undefined ? 'is missing' : value === null ? 'is null' : `is a ${typeof value}`
  throw new TypeError(`[${owner}] row ${index}: '${column}' ${found}; expected a text or a list of turns`)
}

/** @throws TypeError when some parts of a row are texts and others are conversations. */
export function checkAlike(parts: Readonly<Record<string, Said>>, { owner, index }: Place): void {
  const kinds = Object.entries(parts).map(
    ([name, said]) => `'${name}' is ${Array.isArray(said) ? 'a conversation' : 'a text'}`,
  )
  if (new Set(Object.values(parts).map((said) => Array.isArray(said))).size > 1)
    throw new TypeError(
      `[${owner}] row ${index}: ${kinds.join(', ')}; give all as texts or all as conversations`,
    )
}

/** @throws Error listing the columns when a required one is missing. */
export function needColumns(
  { column_names }: Dataset,
  columns: readonly string[],
  owner: string,
  split: string,
): void {
  const missing = columns.filter((name) => !column_names.includes(name))
  if (missing.length > 0)
    throw new Error(
      `[${owner}] the ${split} data set has no column ${missing.map((name) => `'${name}'`).join(' and ')}. Its columns: ${column_names.join(', ') || 'none'}`,
    )
}

/** The text with the end token, if it does not already end with it. */
export function ended(text: string, { eos_token }: PreTrainedTokenizer): string {
  return eos_token === null || text.endsWith(eos_token) ? text : text + eos_token
}

/** A prompt and its answers as the texts to tokenize: the prompt alone, then the prompt with each answer. */
export async function renderedTexts(
  prompt: Said,
  answers: readonly Said[],
  row: Row,
  tokenizer: PreTrainedTokenizer,
  place: Place,
  generation: boolean = true,
): Promise<string[]> {
  if (typeof prompt === 'string') return [prompt, ...answers.map((answer) => prompt + (answer as string))]
  const options = templateOptionsOf(row, place.index, place.owner)
  const render = (turns: ChatMessage[], add_generation_prompt: boolean): Promise<string> =>
    tokenizer.apply_chat_template(turns, { tokenize: false, add_generation_prompt, ...options })
  const texts = [await render(prompt, generation)]
  for (const answer of answers) texts.push(await render([...prompt, ...(answer as ChatMessage[])], false))
  return texts
}
