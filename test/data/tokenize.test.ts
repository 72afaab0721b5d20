import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { Dataset } from '../../src/data/dataset'
import { load_dataset } from '../../src/data/load-dataset'
import { type LabelledRow } from '../../src/data/packing'
import { tokenizeDataset } from '../../src/data/tokenize'
import type { TokenizedDataset } from '../../src/data/tokenize-report'
import type { TokenizeOptions } from '../../src/data/tokenize-rows'
import { type PreTrainedTokenizer } from '../../src/data/tokenizer'
import { golden, sharedPath, titled } from '../support/shared'
import { tinyTokenizer } from './tiny'

let warnings: string[] = []
beforeEach(() => {
  warnings = []
  vi.spyOn(console, 'warn').mockImplementation((text: unknown) => void warnings.push(String(text)))
})
afterEach(() => vi.restoreAllMocks())

async function prepare(
  rows: object[],
  options: TokenizeOptions = {},
  tokenizer?: PreTrainedTokenizer,
): Promise<TokenizedDataset> {
  return tokenizeDataset(Dataset.from_list(rows), tokenizer ?? (await tinyTokenizer()), options)
}

async function learned(row: LabelledRow | undefined): Promise<string> {
  const tokenizer = await tinyTokenizer()
  return tokenizer.decode(Array.from(row?.labels ?? []).filter((label) => label !== -100))
}

async function text(row: LabelledRow | undefined): Promise<string> {
  return (await tinyTokenizer()).decode(row?.input_ids ?? [])
}

const chat = [
  { role: 'user', content: 'hi' },
  { role: 'assistant', content: 'yo' },
  { role: 'user', content: 'so' },
  { role: 'assistant', content: 'no' },
]

describe('text', () => {
  it('gets the end token where it lacks it, and everything is learned', async () => {
    const { rows, num_items, num_tokens } = await prepare([{ text: 'ab' }, { text: 'c</s>' }])
    expect(await Promise.all(rows.map(text))).toEqual(['<s>ab</s>', '<s>c</s>'])
    expect(rows.every((row) => String(row.labels) === String(row.input_ids))).toBe(true)
    expect([num_tokens, num_items]).toEqual([7, 5])
    expect(warnings).toEqual([])
  })

  it('comes from the column named, or from formatting_func', async () => {
    const rows = [{ body: 'a', n: 1 }]
    expect(await text((await prepare(rows, { dataset_text_field: 'body' })).rows[0])).toBe('<s>a</s>')
    const made = await prepare(rows, {
      formatting_func: async (row) => `${row['body'] as string}-${row['n'] as number}`,
    })
    expect(await text(made.rows[0])).toBe('<s>a-1</s>')
    const listed = await prepare(rows, { formatting_func: () => ['a'] as unknown as string })
    expect(await text(listed.rows[0])).toBe('<s>a</s>')
    await expect(prepare(rows, { formatting_func: () => ['a', 'b'] as unknown as string })).rejects.toThrow(
      'formatting_func gave 2 texts for a table of one row, needs one',
    )
    await expect(prepare(rows)).rejects.toThrow(
      /no column 'text' \(dataset_text_field\).* Its columns: body, n/,
    )
    await expect(prepare([{ text: 'a' }, { text: null }])).rejects.toThrow('row 1: text gave null')
    await expect(prepare([])).rejects.toThrow('the train data set is empty')
  })

  it('is cut to max_length from its start; null cuts nothing', async () => {
    const cut = await prepare([{ text: 'abcdef' }, { text: 'g' }], { max_length: 4 })
    expect(await Promise.all(cut.rows.map(text))).toEqual(['<s>abc', '<s>g</s>'])
    expect([cut.num_truncated, cut.longest]).toEqual([1, 8])
    expect((await prepare([{ text: 'a'.repeat(2000) }], { max_length: null })).num_tokens).toBe(2002)
    expect((await prepare([{ text: 'a'.repeat(2000) }])).num_tokens).toBe(1024)
  })

  it('warns when it begins with two begin tokens, or never ends', async () => {
    await prepare([{ text: '<s>a' }, { text: 'b' }])
    expect(warnings.join()).toContain("1 of 2 rows of the train data set begin with '<s>' twice")
    await prepare([{ text: 'abcdef' }], { max_length: 3, dataset_name: 'eval' })
    expect(warnings.join()).toContain("no label of the eval data set is the end token '</s>'")
  })

  it('reports progress and stops when told', async () => {
    const seen: number[][] = []
    const rows = Array.from({ length: 300 }, () => ({ text: 'a' }))
    await prepare(rows, { progress: (...args) => seen.push(args) })
    expect(seen).toEqual([
      [256, 300],
      [300, 300],
    ])
    await expect(prepare(rows, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i)
  })
})

describe('prompt and completion', () => {
  it('learns the completion only, unless told otherwise', async () => {
    const rows = [{ prompt: 'ab', completion: 'cd' }]
    const only = (await prepare(rows)).rows[0]
    expect([await text(only), await learned(only)]).toEqual(['<s>abcd</s>', 'cd</s>'])
    expect(await learned((await prepare(rows, { completion_only_loss: false })).rows[0])).toBe('<s>abcd</s>')
  })

  it('begins the completion where tokens part, and says so', async () => {
    const row = (await prepare([{ prompt: 'say he', completion: 'llo' }])).rows[0]
    expect([await text(row), await learned(row)]).toEqual(['<s>say hello</s>', 'hello</s>'])
    expect(warnings.join()).toContain('tokenized differently')
  })

  it('may be conversations', async () => {
    const row = (await prepare([{ prompt: chat.slice(0, 1), completion: chat.slice(1, 2) }])).rows[0]
    expect([await text(row), await learned(row)]).toEqual([
      '<s>user:hi<|end|>\n<s>assistant:yo<|end|>\n',
      'yo<|end|>\n',
    ])
  })
})

describe('messages', () => {
  it('are rendered by the template and learned whole', async () => {
    const row = (await prepare([{ messages: chat }])).rows[0]
    expect(await learned(row)).toBe(
      '<s>user:hi<|end|>\n<s>assistant:yo<|end|>\n<s>user:so<|end|>\n<s>assistant:no<|end|>\n',
    )
  })

  it('with assistant_only_loss: what the assistant said, up to its end mark', async () => {
    const row = (await prepare([{ messages: chat }], { assistant_only_loss: true })).rows[0]
    expect(await learned(row)).toBe('yo<|end|>no<|end|>')
    await expect(prepare([{ text: 'a' }], { assistant_only_loss: true })).rejects.toThrow(
      "needs conversations (a column 'messages' or 'conversations'). Columns of the train data set: text",
    )
  })

  it('give the template the tools of their row', async () => {
    const tokenizer = await tinyTokenizer(
      {},
      { chat_template: '{{ tools[0].name }}{{ messages[0].content }}' },
    )
    const given = [
      { messages: chat, tools: [{ name: 'f' }] },
      { messages: chat, tools: '[{"name":"g"}]' },
    ]
    const { rows } = await prepare(given, {}, tokenizer)
    expect(await Promise.all(rows.map(text))).toEqual(['fhi', 'ghi'])
  })

  it('may be ShareGPT: from and value are role and content, roles stay as they are', async () => {
    const conversations = [
      { from: 'human', value: 'hi' },
      { from: 'gpt', value: 'yo' },
    ]
    const { rows } = await prepare([{ conversations }, { conversations: chat.slice(0, 2) }])
    expect(await Promise.all(rows.map(text))).toEqual([
      '<s>human:hi<|end|>\n<s>gpt:yo<|end|>\n',
      '<s>user:hi<|end|>\n<s>assistant:yo<|end|>\n',
    ])
    expect(warnings.filter((line) => line.includes('ShareGPT'))).toEqual([
      "qlora: WARNING: [SFT] the train data set has ShareGPT's turns in 'conversations': from and value are read as role and content, the roles stay as they are",
    ])
    await expect(prepare([{ conversations: [{ from: 'human' }, { value: 'yo' }] }])).rejects.toThrow(
      "row 0: conversations needs a list of { role, content } (or ShareGPT's { from, value }); turn 1 has the keys value",
    )
  })

  it('give the template the chat_template_kwargs of their row', async () => {
    const tokenizer = await tinyTokenizer(
      {},
      { chat_template: "{{ mood | default('calm') }}{% for m in messages %} {{ m.content }}{% endfor %}" },
    )
    const given = [
      { messages: chat, chat_template_kwargs: { mood: 'bright' } },
      { messages: chat, chat_template_kwargs: null },
    ]
    expect(await Promise.all((await prepare(given, {}, tokenizer)).rows.map(text))).toEqual([
      'bright hi yo so no',
      'calm hi yo so no',
    ])
    const asked = [
      { prompt: chat.slice(0, 1), completion: chat.slice(1, 2), chat_template_kwargs: { mood: 'x' } },
    ]
    expect(await text((await prepare(asked, {}, tokenizer)).rows[0])).toBe('x hi yo')
    await expect(prepare([{ messages: chat, chat_template_kwargs: 'x' }])).rejects.toThrow(
      '[SFT] row 0: chat_template_kwargs needs an object, got a string',
    )
  })

  it('that are none are named', async () => {
    const refused = (messages: unknown): Promise<void> =>
      expect(prepare([{ messages: chat }, { messages }])).rejects.toThrow(
        'row 1: messages needs a list of { role, content }',
      )
    await refused([{ content: 'a' }])
    await refused([])
    await refused('hi')
    await refused([null])
    await expect(prepare([{ messages: chat }, { messages: [{ role: 'user' }] }])).rejects.toThrow(
      /^\[SFT\] row 1: \[apply_chat_template\] .* has no attribute 'content'/,
    )
  })

  it('nothing to learn is an error, in single rows a warning', async () => {
    const mute = { messages: chat.slice(0, 1) }
    await expect(prepare([mute], { assistant_only_loss: true })).rejects.toThrow('every label is masked')
    await expect(prepare([{ messages: chat }], { assistant_only_loss: true, max_length: 4 })).rejects.toThrow(
      '1 of 1 rows of the train data set were cut at max_length 4',
    )
    await prepare([mute, { messages: chat }], { assistant_only_loss: true })
    expect(warnings.join()).toContain('1 of 2 rows of the train data set have nothing to learn')
  })
})

describe("Alpaca's columns", () => {
  const rows = [
    { instruction: 'add', input: '1 2', output: '3' },
    { instruction: 'greet', input: '', output: 'yo' },
  ]

  it("are turns for the tokenizer's chat template, of which the answer is learned", async () => {
    const prepared = await prepare(rows, { dataset_name: 'evaluation' })
    expect(await Promise.all(prepared.rows.map(text))).toEqual([
      '<s>user:add\n\n1 2<|end|>\n<s>assistant:3<|end|>\n',
      '<s>user:greet<|end|>\n<s>assistant:yo<|end|>\n',
    ])
    expect(await learned(prepared.rows[1])).toBe('yo<|end|>\n')
    expect(warnings.filter((line) => line.includes('Alpaca'))).toEqual([
      "qlora: WARNING: [SFT] the evaluation data set has Alpaca's columns: instruction and input are read as the prompt, output as the completion, with the tokenizer's chat template",
    ])
    const system = await prepare([{ ...rows[1], system: 'be kind' }], { completion_only_loss: false })
    expect(await learned(system.rows[0])).toBe(
      '<s>system:be kind<|end|>\n<s>user:greet<|end|>\n<s>assistant:yo<|end|>\n',
    )
    const spoken = await prepare(rows, { assistant_only_loss: true })
    expect(await learned(spoken.rows[0])).toBe('3<|end|>')
  })

  it("are Stanford's words where there is no chat template", async () => {
    const tokenizer = await tinyTokenizer()
    tokenizer.chat_template = null
    const prepared = await prepare(rows, {}, tokenizer)
    expect(await Promise.all(prepared.rows.map(text))).toEqual([
      '<s>Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nadd\n\n### Input:\n1 2\n\n### Response:\n3</s>',
      '<s>Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n### Instruction:\ngreet\n\n### Response:\nyo</s>',
    ])
    expect(await learned(prepared.rows[0])).toBe('3</s>')
    expect(warnings.at(-1)).toContain("with Stanford Alpaca's words, for the tokenizer has no chat template")
  })

  it('give way to a text column and to formatting_func; what is no text is named', async () => {
    const both = await prepare([{ ...rows[0], text: 'whole' }])
    expect(await text(both.rows[0])).toBe('<s>whole</s>')
    const made = await prepare(rows, { formatting_func: (row) => row['output'] as string })
    expect(await text(made.rows[0])).toBe('<s>3</s>')
    await expect(prepare([rows[0]!, { instruction: 'x', input: null, output: null }])).rejects.toThrow(
      '[SFT] row 1: output gave null, needs one string',
    )
  })
})

describe('token rows and packing', () => {
  it('rows with input_ids are taken as they are', async () => {
    const given = [
      { input_ids: [5, 6, 7], labels: [-100, 6, 7] },
      { input_ids: [8, 9], labels: null },
    ]
    const { rows } = await prepare(given)
    expect(rows.map((row) => [Array.from(row.input_ids), Array.from(row.labels)])).toEqual([
      [
        [5, 6, 7],
        [-100, 6, 7],
      ],
      [
        [8, 9],
        [8, 9],
      ],
    ])
    await expect(prepare([{ input_ids: [1], labels: [1, 2] }])).rejects.toThrow(
      'row 0 has 1 input_ids and 2 labels',
    )
  })

  it.each([
    [
      { input_ids: [5, 1.5] },
      'input_ids: row 1 of the train data set, position 1: got 1.5; expected an integer',
    ],
    [{ input_ids: [NaN] }, 'input_ids: row 1 of the train data set, position 0: got NaN'],
    [{ input_ids: ['a'] }, "input_ids: row 1 of the train data set, position 0: got 'a'"],
    [{ input_ids: [-3] }, 'position 0: got -3'],
    [
      { input_ids: [8, 512] },
      'position 1: got 512; expected an integer from 0 to 511, for the vocabulary has 512',
    ],
    [
      { input_ids: [8], labels: [-1] },
      'labels: row 1 of the train data set, position 0: got -1; expected -100 or',
    ],
    [{ input_ids: [8], labels: [512] }, 'labels: row 1 of the train data set, position 0: got 512'],
    [
      { input_ids: null },
      'input_ids: row 1 of the train data set holds nothing; expected a list of integers',
    ],
    [{ input_ids: 'abc' }, 'holds a string; expected a list of integers'],
  ])('%j is refused', async (row, message) => {
    const model = { vocab_size: 512, max_position_embeddings: 256 }
    await expect(prepare([{ input_ids: [5, 6] }, row], { model })).rejects.toThrow(`[SFT] `)
    await expect(prepare([{ input_ids: [5, 6] }, row], { model })).rejects.toThrow(message)
  })

  it("text whose tokens the model lacks is refused, sequences beyond the model's positions are told", async () => {
    const limits = { vocab_size: 100_000, max_position_embeddings: 4 }
    const rows = [{ text: 'abcdefgh' }, { text: 'a' }]
    await prepare(rows, { model: limits })
    expect(warnings.join()).toContain(
      "1 sequences of the train data set have more tokens than the model's max_position_embeddings, 4",
    )
    warnings = []
    await prepare(rows, { model: limits, max_length: 4 })
    await prepare(rows, { model: limits, max_length: 8, packing: true })
    expect(warnings.filter((w) => w.includes('max_position_embeddings'))).toHaveLength(1)
    await expect(prepare(rows, { model: { ...limits, vocab_size: 1 } })).rejects.toThrow(
      '[SFT] input_ids: row 0 of the train data set, position',
    )
  })

  it('packing fills rows of max_length with whole sequences', async () => {
    const { rows, num_items } = await prepare([{ text: 'abcd' }, { text: 'e' }, { text: 'f' }], {
      packing: true,
      max_length: 6,
    })
    expect(await Promise.all(rows.map(text))).toEqual(['<s>abcd</s>', '<s>e</s><s>f</s>'])
    expect(rows.map((row) => row.seq_lengths)).toEqual([[6], [3, 3]])
    expect(num_items).toBe(5 + 2 + 2)
    const wrapped = await prepare([{ text: 'abcd' }, { text: 'e' }], {
      packing: true,
      packing_strategy: 'wrapped',
      max_length: 7,
    })
    expect(await Promise.all(wrapped.rows.map(text))).toEqual(['<s>abcd</s><s>', 'e</s>'])
    await expect(prepare([{ text: 'a' }], { packing: true, max_length: null })).rejects.toThrow(
      'packing needs max_length',
    )
  })
})

describe('as TRL made them', () => {
  const stories = sharedPath('data/stories260k')
  const instruct = sharedPath('data/instruct')
  it.skipIf(!stories || !instruct)(
    titled('the ids of 200 rows of instruct', stories && instruct, 'data/stories260k, data/instruct'),
    async () => {
      const tokenizer = await AutoTokenizer.from_pretrained(stories ?? '')
      tokenizer.pad_token = tokenizer.eos_token
      const dataset = await load_dataset(instruct ?? '', { split: 'train[:200]' })
      const { rows, num_truncated } = await tokenizeDataset(dataset, tokenizer, { max_length: 128 })
      const expected = JSON.parse(readFileSync(golden('sft_run/tokenized.json'), 'utf8')) as number[][]
      expect(rows.map((row) => Array.from(row.input_ids))).toEqual(expected)
      expect(num_truncated).toBe(197)
      expect(warnings.join()).toContain("200 of 200 rows of the train data set begin with '<s>' twice")
    },
  )
})
