import type { CausalLM } from '../models/causal-lm'
import type { IdRows } from '../models/padding'
import { checkIds } from '../models/token-ids'
import { knownNames } from '../options/declaration'
import { unknownNameError } from '../options/nearest'
import { generateOptionSet } from './options'

/** Prompts as token ids. Rows of different lengths need no padding; the mask removes existing padding. */
export interface GenerateInputs {
  input_ids: IdRows
  attention_mask?: IdRows
}

const inputNames = ['input_ids', 'attention_mask']

/** The rows' ids without padding. @throws Error naming the row that is wrong, or an unknown input. */
export function promptsOf(inputs: GenerateInputs, model: CausalLM): number[][] {
  for (const name of Object.keys(inputs)) if (!inputNames.includes(name)) throw unknownInput(name)
  return inputs.input_ids.map((row, i) => promptOf(row, i, inputs.attention_mask, model))
}

function promptOf(
  row: IdRows[number],
  i: number,
  attention_mask: IdRows | undefined,
  { config: { vocab_size: vocabSize } }: CausalLM,
): number[] {
  const mask = attention_mask?.[i]
  if (attention_mask && mask?.length !== row.length)
    throw new Error(
      `[generate] attention_mask: row ${i} has ${mask?.length ?? 0} entries, input_ids has ${row.length}`,
    )
  checkIds(`[generate] input_ids: row ${i}`, row, { vocabSize, mask })
  const prompt = Array.from(row).filter((_, t) => !mask || mask[t])
  if (prompt.length === 0) throw new Error(`[generate] row ${i} has no token`)
  return prompt
}

function unknownInput(name: string): TypeError {
  if (!knownNames(generateOptionSet).includes(name))
    return unknownNameError('generate', name, inputNames, 'input')
  return new TypeError(
    `[generate] ${name} is an option: give it in a second object, generate({ input_ids }, { ${name} })`,
  )
}
