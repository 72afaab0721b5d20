import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../scripts/checkout'
import type { Notebook } from './notebook'

/** Enough for a click to come in between on a fast machine. */
export const shortSteps = 32

/** What makes the tutorial short, and lets it run in another folder. */
const shortened: [from: string, to: string][] = [
  [`'../../.cache/models/`, `'${root}/.cache/models/`],
  [`'../data/pocket-instruct'`, `'${root}/notebooks/data/pocket-instruct'`],
  [`readFileSync('../data/pocket-instruct/prompts.json', 'utf8'))`, `'["Why is the sky blue?"]')`],
  [`max_new_tokens: 90`, `max_new_tokens: 8`],
  [`max_steps = 64`, `max_steps = ${shortSteps}`],
  [`max_seq_length = 1024`, `max_seq_length = 48`],
  [`per_device_train_batch_size = 4`, `per_device_train_batch_size = 1`],
]

/** The tutorial without outputs, of few and short steps. Throws when it no longer has what is to be shortened. */
export function shortTutorial(): Notebook {
  const file = join(root, 'notebooks/en/01-llama3-chatqa-qlora.ipynb')
  const notebook = JSON.parse(readFileSync(file, 'utf8')) as Notebook
  const code = notebook.cells.filter(({ cell_type }) => cell_type === 'code')
  for (const cell of code) {
    Object.assign(cell, { outputs: [], execution_count: null, source: [cell.source].flat().join('') })
  }
  for (const [from, to] of shortened) {
    const cell = code.find(({ source }) => source.includes(from))
    if (cell === undefined) throw new Error(`the tutorial has no cell with ${from}`)
    cell.source = (cell.source as string).replace(from, to)
  }
  return notebook
}
