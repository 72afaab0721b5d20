import { beforeAll, describe, expect, it, vi } from 'vitest'
import { AutoTokenizer } from '../../../src/data/auto-tokenizer'
import type { ChatMessage } from '../../../src/data/chat-template'
import { Dataset, type Row } from '../../../src/data/dataset'
import type { PreferenceData } from '../../../src/data/preference/encode'
import { tokenizeOrpoPairs } from '../../../src/data/preference/orpo-pairs'
import { tokenizePairs } from '../../../src/data/preference/pairs'
import { extractPrompt } from '../../../src/data/preference/prompt'
import { tokenizeUnpaired } from '../../../src/data/preference/unpaired'
import type { PreTrainedTokenizer } from '../../../src/data/tokenizer'
import { logger } from '../../../src/logging'
import { golden } from '../../support/shared'

let tokenizer: PreTrainedTokenizer
beforeAll(async () => {
  tokenizer = await AutoTokenizer.from_pretrained(golden('preference'))
})
const turn = (role: string, content: string): Row => ({ role, content })

function data(owner: string, more: Partial<PreferenceData> = {}): PreferenceData {
  const model = { vocab_size: 512, max_position_embeddings: 256 }
  return { owner, split: 'train', tokenizer, max_length: 64, model, ...more }
}

const dpo = (rows: Row[], more: Partial<PreferenceData> = {}): Promise<unknown> =>
  tokenizePairs(Dataset.from_list(rows), data('DPO', more), 'keep_start')
const orpo = (rows: Row[]): Promise<unknown> => tokenizeOrpoPairs(Dataset.from_list(rows), data('ORPO'))
const kto = (rows: Row[]): Promise<unknown> => tokenizeUnpaired(Dataset.from_list(rows), data('KTO'), 2)

const good: Row = { prompt: 'a', chosen: 'b', rejected: 'c' }
const chat: Row = {
  prompt: [turn('user', 'a')],
  chosen: [turn('assistant', 'b')],
  rejected: [turn('assistant', 'c')],
}

describe('rows that do not fit are told by number and column', () => {
  it.each<[Promise<unknown> | (() => Promise<unknown>), string]>([
    [() => dpo([]), '[DPO] the train data set is empty'],
    [
      () => dpo([{ prompt: 'a', chosen: 'b' }]),
      "[DPO] the train data set has no column 'rejected'. Its columns: prompt, chosen",
    ],
    [() => dpo([{ text: 'a' }]), "has no column 'chosen' and 'rejected'. Its columns: text"],
    [
      () => dpo([good, { ...good, rejected: null }]),
      "[DPO] row 1: 'rejected' is null; expected a text or a list of turns",
    ],
    [() => dpo([good, { ...good, chosen: 7 }]), "[DPO] row 1: 'chosen' is a number"],
    [() => dpo([good, { ...good, prompt: null }]), "[DPO] row 1: 'prompt' is null"],
    [
      () => dpo([good, { ...good, chosen: chat['chosen'] }]),
      "[DPO] row 1: 'chosen' is a conversation, 'rejected' is a text",
    ],
    [() => dpo([{ ...good, prompt: chat['prompt'] }]), "'prompt' is a conversation, 'chosen' is a text"],
    [
      () => dpo([{ ...chat, rejected: [{ content: 'x' }] }]),
      '[DPO] row 0: rejected needs a list of { role, content }',
    ],
    [() => dpo([{ ...chat, rejected: [] }]), '[DPO] row 0: rejected needs a list of { role, content }'],
    [
      () => dpo([{ chosen: '', rejected: 'b' }]),
      "[DPO] row 0: 'chosen' is empty, and there is no prompt beside it",
    ],
    [
      () => dpo([{ chosen: [turn('user', 'a')], rejected: [turn('user', 'b')] }]),
      "row 0: 'chosen' and 'rejected' begin with different turns",
    ],
    [
      () => dpo([{ ...good, prompt: 'x'.repeat(99) }]),
      'nothing to learn: all 1 rows of the train data set are left out',
    ],
    [() => dpo([good], { model: { vocab_size: 5, max_position_embeddings: 9 } }), '[DPO] row 0, position'],
    [() => orpo([good, { ...good, rejected: undefined }]), "[ORPO] row 1: 'rejected' is missing"],
    [
      () => orpo([{ ...chat, prompt: [turn('system', 's')] }]),
      "[ORPO] row 0: the prompt ends with a turn of 'system'",
    ],
    [() => kto([{ prompt: 'a', completion: 'b' }]), "[KTO] the train data set has no column 'label'"],
    [
      () => kto([{ prompt: 'a', completion: 'b', label: 'yes' }]),
      `[KTO] row 0: 'label' is "yes"; expected true (desirable) or false`,
    ],
    [
      () =>
        kto([
          { prompt: 'a', completion: 'b', label: true },
          { prompt: 'a', completion: null, label: true },
        ]),
      "[KTO] row 1: 'completion' is null",
    ],
    [() => kto([good, { ...good, rejected: null }]), "[KTO] row 1: 'rejected' is null"],
  ])('%#', async (rows, message) => {
    await expect(typeof rows === 'function' ? rows() : rows).rejects.toThrow(message)
  })
})

describe('the prompt that both answers begin with', () => {
  it.each([
    ['texts', 'Who? It is I.', 'Who? It was he.', ['Who? It', ' is I.', ' was he.']],
    ['without a space before the difference', 'ab', 'ac', ['a', 'b', 'c']],
    ['one the beginning of the other', 'abc', 'ab', ['a', 'bc', 'b']],
    ['nothing in common', 'x', 'y', ['', 'x', 'y']],
    // The surrogate that both emoji begin with is no part of the prompt.
    ['characters beyond the basic plane', 'a😀', 'a😁', ['a', '😀', '😁']],
  ])('%s', (_, chosen, rejected, [prompt, c, r]) => {
    expect(extractPrompt(chosen, rejected)).toEqual({ prompt, chosen: c, rejected: r })
  })

  it('turns, compared by their values', () => {
    const [a, b, c] = [turn('user', 'q'), turn('assistant', 'x'), turn('assistant', 'y')] as ChatMessage[]
    expect(extractPrompt([a!, b!], [{ ...a! }, c!])).toEqual({
      prompt: [a],
      chosen: [b],
      rejected: [c],
    })
  })

  it('a prompt that is a text beside conversations is taken from these', async () => {
    const explicit = await tokenizePairs(Dataset.from_list([chat]), data('DPO'), 'keep_start')
    const whole = {
      prompt: 'a',
      chosen: [...chat['prompt'], ...chat['chosen']],
      rejected: [...chat['prompt'], ...chat['rejected']],
    }
    expect(await tokenizePairs(Dataset.from_list([whole]), data('DPO'), 'keep_start')).toEqual(explicit)
  })
})

it('a label may be 0 or 1; pairs become their chosen answers, then their rejected ones', async () => {
  const [one, zero] = await tokenizeUnpaired(
    Dataset.from_list([1, 0].map((label) => ({ prompt: 'a', completion: 'b', label }))),
    data('KTO'),
    undefined,
  )
  expect([one!.columns, zero!.columns]).toEqual([
    { answer_tokens: [2], label: [true] },
    { answer_tokens: [2], label: [false] },
  ])
  const unpaired = await tokenizeUnpaired(Dataset.from_list([good, good]), data('KTO'), undefined)
  expect(unpaired.map((row) => row.columns['label'])).toEqual([[true], [true], [false], [false]])
})

it('rows that are left out and prompts with a seam are told', async () => {
  const warned = vi.spyOn(logger, 'warning').mockImplementation(() => {})
  const once = vi.spyOn(logger, 'warning_once').mockImplementation(() => {})
  const rows = await tokenizePairs(
    // 'Question' is one token.
    Dataset.from_list([
      { prompt: 'Quest', chosen: 'ion', rejected: 'a' },
      { ...good, prompt: 'x'.repeat(99) },
    ]),
    data('DPO'),
    'keep_start',
  )
  expect(rows).toHaveLength(1)
  expect(warned).toHaveBeenCalledWith(
    expect.stringContaining(
      '[DPO] 1 of 2 rows of the train data set are left out, since their prompts fill max_length 64',
    ),
  )
  expect(once).toHaveBeenCalledWith(expect.stringContaining('a prompt alone is tokenized differently'))
  warned.mockRestore()
  once.mockRestore()
})
