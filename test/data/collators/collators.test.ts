import { describe, expect, it, vi } from 'vitest'
import { DataCollatorForCompletionOnlyLM } from '../../../src/data/collators/completion-only'
import { DataCollatorForSeq2Seq } from '../../../src/data/collators/plain'
import { Dataset } from '../../../src/data/dataset'
import type { LabelledRow } from '../../../src/data/packing'
import { train_on_responses_only } from '../../../src/trainer/responses-only'
import { tinyTrainer } from '../../trainer/tiny'
import { tinyTokenizer } from '../tiny'

type Seen = { sets: { trained: LabelledRow[] } }
type Given = Parameters<typeof tinyTrainer>

/** What of each training row is learned, as text. */
async function learned(args: Given[0], options: Given[1], before?: (t: never) => void): Promise<string[]> {
  const tokenizer = await tinyTokenizer()
  const trainer = await tinyTrainer(
    { max_steps: 1, max_length: 200, ...args },
    { processing_class: tokenizer, ...options },
  )
  before?.(trainer as never)
  await trainer.train()
  const rows = (trainer as unknown as Seen).sets.trained
  return Promise.all(rows.map(({ labels }) => tokenizer.decode([...labels].filter((id) => id >= 0))))
}

const chat = Dataset.from_list([
  { text: '### Q: a b\n### A: one two\n### Q: c\n### A: three' },
  { text: '### Q: d\n### A: four' },
])

describe('DataCollatorForCompletionOnlyLM', () => {
  it('learns what follows the last answer mark, or with a question mark every answer', async () => {
    const tokenizer = await tinyTokenizer()
    const last = new DataCollatorForCompletionOnlyLM({ response_template: '### A:', tokenizer })
    expect(await learned({}, { train_dataset: chat, data_collator: last })).toEqual([
      ' three</s>',
      ' four</s>',
    ])
    const every = new DataCollatorForCompletionOnlyLM({
      response_template: await tokenizer.encode('### A:', { add_special_tokens: false }),
      instruction_template: '### Q:',
      tokenizer,
    })
    expect(await learned({}, { train_dataset: chat, data_collator: every })).toEqual([
      ' one two\n three</s>',
      ' four</s>',
    ])
  })

  it('warns of rows without a mark, and refuses packed rows', async () => {
    const tokenizer = await tinyTokenizer()
    const data_collator = new DataCollatorForCompletionOnlyLM({ response_template: '### A:', tokenizer })
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    const train_dataset = Dataset.from_list([...chat.to_list(), { text: 'nothing' }])
    expect((await learned({}, { train_dataset, data_collator }))[2]).toBe('')
    expect(warn.mock.calls.join()).toContain('1 of 3 rows do not have the response_template')
    await expect(learned({ packing: true }, { train_dataset, data_collator })).rejects.toThrow(
      'packing: false',
    )
    warn.mockRestore()
  })
})

describe('train_on_responses_only', () => {
  it('learns every answer, by marks whose tokens differ with the line breaks around them', async () => {
    const marks = { instruction_part: '### Q:\n', response_part: '\n### A:' }
    const all = await learned({}, { train_dataset: chat }, (t) => train_on_responses_only(t, marks))
    expect(all).toEqual([' one two\n three</s>', ' four</s>'])
  })

  it('says when no row has the mark', async () => {
    const marks = { instruction_part: '### Q:', response_part: '<answer>' }
    await expect(
      learned({}, { train_dataset: chat }, (t) => train_on_responses_only(t, marks)),
    ).rejects.toThrow("no row of the train data set has the response_part '<answer>'")
  })
})

describe('data_collator', () => {
  it('of your own makes the rows: of tokenized ones, or of the columns as they are; padding is left out', async () => {
    const raw = Dataset.from_list([{ input: 'ab', output: 'cd' }])
    const data_collator = {
      async call(rows: { input: string; output: string }[]) {
        const tokenizer = await tinyTokenizer()
        const [source, target] = await Promise.all(
          [rows[0]!.input, rows[0]!.output].map((text) =>
            tokenizer.encode(text, { add_special_tokens: false }),
          ),
        )
        return {
          input_ids: [[...source!, ...target!, 0, 0]],
          labels: [[...source!.map(() => -100), ...target!, -100, -100]],
          attention_mask: [[...source!.map(() => 1), ...target!.map(() => 1), 0, 0]],
        }
      },
    } as never
    expect(await learned({ remove_unused_columns: false }, { train_dataset: raw, data_collator })).toEqual([
      'cd',
    ])
    const seen: string[] = []
    const own = (rows: { input_ids: number[] }[]): object => {
      seen.push(Object.keys(rows[0]!).join())
      return { input_ids: [rows[0]!.input_ids.slice(0, 5)] }
    }
    const texts = await learned({}, { train_dataset: chat, data_collator: own as never })
    expect(seen).toEqual(Array(2).fill('input_ids,labels,attention_mask'))
    expect(texts.every((text) => text.length > 0 && text.length < 16)).toBe(true)
    const wrong = (() => ({ input_ids: [[1, 2]], labels: [[1]] })) as never
    await expect(learned({}, { train_dataset: chat, data_collator: wrong })).rejects.toThrow(
      '[data_collator] row 0: it returned 2 input_ids and 1 labels',
    )
  })

  it('that only pads changes nothing', async () => {
    const plain = await learned({}, { train_dataset: chat })
    const data_collator = new DataCollatorForSeq2Seq({ tokenizer: await tinyTokenizer(), padding: true })
    expect(await learned({}, { train_dataset: chat, data_collator })).toEqual(plain)
  })
})

describe('formatting_func', () => {
  it('makes a text of a row, or a list of texts of an object of columns', async () => {
    const train_dataset = Dataset.from_list([
      { q: 'a', a: 'b', n: 3 },
      { q: 'c', a: 'd', n: 4 },
    ])
    const one = await learned({}, { train_dataset, formatting_func: (row) => `${row['q']}: ${row['a']}` })
    const many = await learned(
      {},
      {
        train_dataset,
        formatting_func: (rows) => {
          const output: string[] = []
          for (let i = 0; i < (rows['q'] as string[]).length; i++)
            output.push(`${(rows['q'] as string[])[i]}: ${(rows['a'] as string[])[i]}`)
          return output
        },
      },
    )
    expect(one).toEqual(['<s>a: b</s>', '<s>c: d</s>'])
    expect(many).toEqual(one)
    const wrong = (): unknown => 7
    await expect(learned({}, { train_dataset, formatting_func: wrong as never })).rejects.toThrow(
      'row 0: formatting_func gave number, needs one string',
    )
  })
})
