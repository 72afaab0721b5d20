import type { ChatMessage } from './chat-template'
import { stringOf } from './column-text'
import type { Row } from './rows'

/** Whether columns are those of Stanford Alpaca: instruction and output, and mostly input. */
export function isAlpaca(has: (column: string) => boolean): boolean {
  return has('instruction') && has('output')
}

export interface AlpacaTexts {
  instruction: string
  /** '' where the row has none. */
  input: string
  output: string
  system: string
}

/** @throws TypeError naming row and column of what is no text */
export function alpacaTexts(row: Row, index: number): AlpacaTexts {
  const optional = (column: string): string =>
    row[column] == null ? '' : stringOf(row[column], column, index)
  return {
    instruction: stringOf(row['instruction'], 'instruction', index),
    input: optional('input'),
    output: stringOf(row['output'], 'output', index),
    system: optional('system'),
  }
}

/** As turns: the instruction and below it the input are the user's. */
export function alpacaTurns({ instruction, input, output, system }: AlpacaTexts): {
  prompt: ChatMessage[]
  completion: ChatMessage[]
} {
  const user = input === '' ? instruction : `${instruction}\n\n${input}`
  return {
    prompt: [
      ...(system === '' ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content: user },
    ],
    completion: [{ role: 'assistant', content: output }],
  }
}

/** The prompt of Stanford Alpaca's training, with its words for rows with and without an input. */
export function alpacaPrompt({ instruction, input, system }: AlpacaTexts): string {
  const opening =
    system !== ''
      ? system
      : input === ''
        ? 'Below is an instruction that describes a task. Write a response that appropriately completes the request.'
        : 'Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.'
  const parts = [opening, `### Instruction:\n${instruction}`]
  if (input !== '') parts.push(`### Input:\n${input}`)
  return `${parts.join('\n\n')}\n\n### Response:\n`
}
