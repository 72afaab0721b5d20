import { parseExactJson } from '../files/json'
import { type ChatMessage } from './chat-template'
import { type Row } from './dataset'

/**
 * The turns in a row's column. ShareGPT's `from` and `value` become `role` and `content`; as in TRL, roles are
 * not changed. `content` may be missing, for instance if there are `tool_calls`; the template decides what that
 * means.
 *
 * @throws TypeError naming row and column when the value is not a list of objects with a role.
 */
export function turnsOf(value: unknown, column: string, index: number, owner = 'SFT'): ChatMessage[] {
  const needs = `[${owner}] row ${index}: ${column} needs a list of { role, content } (or ShareGPT's { from, value })`
  if (!Array.isArray(value) || value.length === 0)
    throw new TypeError(`${needs}, got ${Array.isArray(value) ? 'an empty list' : kindOf(value)}`)
  return value.map((turn: unknown, i) => {
    if (typeof turn !== 'object' || turn === null)
      throw new TypeError(`${needs}; turn ${i} is ${kindOf(turn)}`)
    const message = renamed(renamed({ ...turn }, 'from', 'role'), 'value', 'content')
    if (typeof message['role'] !== 'string')
      throw new TypeError(`${needs}; turn ${i} has the keys ${Object.keys(turn).join(', ') || '(none)'}`)
    return message as ChatMessage
  })
}

function renamed(turn: Record<string, unknown>, from: string, to: string): Record<string, unknown> {
  if (turn[from] === undefined || turn[from] === null) return turn
  const { [from]: value, ...rest } = turn
  return { ...rest, [to]: value }
}

/** A row's further data for the template: its tools (a list or its JSON) and `chat_template_kwargs`. */
export function templateOptionsOf(
  row: Row,
  index: number,
  owner = 'SFT',
): { tools: unknown[] | null; chat_template_kwargs: Record<string, unknown> } {
  const tools = listOfTools(row['tools'], index, owner)
  const kwargs: unknown = row['chat_template_kwargs'] ?? {}
  if (typeof kwargs !== 'object' || kwargs === null || Array.isArray(kwargs))
    throw new TypeError(
      `[${owner}] row ${index}: chat_template_kwargs needs an object, got ${kindOf(kwargs)}`,
    )
  return { tools, chat_template_kwargs: kwargs as Record<string, unknown> }
}

function listOfTools(given: unknown, index: number, owner: string): unknown[] | null {
  if (given === undefined || given === null) return null
  let tools: unknown = given
  if (typeof given === 'string') tools = parseExactJson(`[${owner}] row ${index}: tools`, given)
  if (tools === null || Array.isArray(tools)) return tools
  throw new TypeError(`[${owner}] row ${index}: tools needs a list, got ${kindOf(tools)}`)
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  return Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
