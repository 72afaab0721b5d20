import { readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'

import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { type ChatMessage } from '../../src/data/chat-template'
import { type PreTrainedTokenizer } from '../../src/data/tokenizer'
import { sharedPath, titled } from '../support/shared'
import { temporaryFolder } from '../files/support/temporary'
import { smollm2, tinyFolder, tinyTokenizer } from './tiny'

interface Golden {
  texts: string[]
  input_ids: number[][]
  offset_mapping: [number, number][][]
  truncated_5: number[][]
  decoded: string[]
  decoded_skip: string[]
  chat: string
  chat_prompt_ids: number[]
  special: Record<string, string>
  vocab_size: number
  length: number
  model_max_length: number
}

async function expectGolden(tokenizer: PreTrainedTokenizer, name: 'stories260k' | 'smollm2'): Promise<void> {
  const all = JSON.parse(await readFile(join(__dirname, 'golden/tokenizers.json'), 'utf8')) as Record<
    string,
    unknown
  >
  const golden = all[name] as Golden
  const conversation = all['conversation'] as ChatMessage[]
  const batch = await tokenizer.batch_encode(golden.texts, { return_offsets_mapping: true })
  expect(batch.input_ids).toEqual(golden.input_ids)
  golden.texts.forEach((text, i) => {
    const points = [...text]
    const pieces = golden.offset_mapping[i]?.map(([start, end]) => points.slice(start, end).join(''))
    expect(batch.offset_mapping?.[i]?.map(([start, end]) => text.slice(start, end))).toEqual(pieces)
  })
  expect((await tokenizer.batch_encode(golden.texts, { truncation: true, max_length: 5 })).input_ids).toEqual(
    golden.truncated_5,
  )
  expect(await tokenizer.batch_decode(golden.input_ids)).toEqual(golden.decoded)
  expect(await tokenizer.batch_decode(golden.input_ids, { skip_special_tokens: true })).toEqual(
    golden.decoded_skip,
  )
  expect(await tokenizer.apply_chat_template(conversation, { tokenize: false })).toBe(golden.chat)
  const prompt = conversation.slice(0, 3)
  expect(
    await tokenizer.apply_chat_template(prompt, { add_generation_prompt: true, return_dict: false }),
  ).toEqual(golden.chat_prompt_ids)
  expect(tokenizer.special_tokens_map).toEqual(golden.special)
  expect([tokenizer.vocab_size, tokenizer.length, tokenizer.model_max_length]).toEqual([
    golden.vocab_size,
    golden.length,
    golden.model_max_length,
  ])
}

describe('equal to transformers', () => {
  const stories = sharedPath('data/stories260k')
  it.skipIf(!stories)(titled('stories260K', stories, 'data/stories260k'), async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(stories ?? '')
    await expectGolden(tokenizer, 'stories260k')
    expect(await tokenizer.encode('café 🦙')).toEqual([1, 280, 412, 431, 485, 410, 243, 162, 169, 156])
  })

  const gguf = smollm2()
  it.skipIf(!gguf)(
    titled('SmolLM2 from its GGUF', gguf, 'SmolLM2 in .cache/models (npm run tutorial)'),
    async () => {
      await expectGolden(
        await AutoTokenizer.from_pretrained(gguf?.dir ?? '', { gguf_file: gguf?.gguf_file ?? '' }),
        'smollm2',
      )
    },
  )
})

describe('encoding', () => {
  it('adds special tokens only when asked, and finds them in the text', async () => {
    const tokenizer = await tinyTokenizer()
    const ids = await tokenizer.encode('hello</s>')
    expect(ids[0]).toBe(1)
    expect(tokenizer.convert_ids_to_tokens(ids)).toEqual(['<s>', 'hello', '</s>'])
    expect(await tokenizer.encode('hello</s>', { add_special_tokens: false })).toEqual(ids.slice(1))
    expect(await tokenizer.tokenize('hello w')).toEqual(['hello', 'Ġw'])
    expect(await tokenizer.decode(ids, { skip_special_tokens: true })).toBe('hello')
    expect(await tokenizer.decode(2)).toBe('</s>')
  })

  it('pads on the side chosen, to the longest, a length or a multiple', async () => {
    const tokenizer = await tinyTokenizer()
    await expect(tokenizer.call(['hello'], { padding: true })).rejects.toThrow('needs a pad token')
    tokenizer.pad_token = tokenizer.eos_token
    expect(tokenizer.pad_token_id).toBe(2)
    const hello = tokenizer.convert_tokens_to_ids('hello') ?? -1
    const [h, w] = tokenizer.convert_tokens_to_ids(['he', 'Ġw'])
    expect(await tokenizer.call(['hello', 'he w'], { padding: true })).toEqual({
      input_ids: [
        [1, hello, 2],
        [1, h, w],
      ],
      attention_mask: [
        [1, 1, 0],
        [1, 1, 1],
      ],
    })
    tokenizer.padding_side = 'left'
    const wide = await tokenizer.call('hello', {
      padding: 'max_length',
      max_length: 5,
      return_offsets_mapping: true,
    })
    expect(wide.input_ids).toEqual([2, 2, 2, 1, hello])
    expect(wide.attention_mask).toEqual([0, 0, 0, 1, 1])
    expect(wide.offset_mapping?.at(-1)).toEqual([0, 5])
    expect((await tokenizer.call('hello', { padding: true, pad_to_multiple_of: 4 })).input_ids).toHaveLength(
      4,
    )
    expect(() => (tokenizer.padding_side = 'up' as 'left')).toThrow("needs 'left' or 'right'")
  })

  it('cuts the text, never the special tokens', async () => {
    const tokenizer = await tinyTokenizer({}, { add_bos_token: true, add_eos_token: true })
    const tokens = async (side: 'left' | 'right'): Promise<unknown> => {
      tokenizer.truncation_side = side
      return tokenizer.convert_ids_to_tokens(
        (await tokenizer.call('abcd', { truncation: true, max_length: 4 })).input_ids,
      )
    }
    expect(await tokens('right')).toEqual(['<s>', 'a', 'b', '</s>'])
    expect(await tokens('left')).toEqual(['<s>', 'c', 'd', '</s>'])
    await expect(tokenizer.call('abcd', { truncation: true, max_length: 1 })).rejects.toThrow(
      'less than the special tokens',
    )
    const long = await tokenizer.call('a'.repeat(100), { truncation: true })
    expect(long.input_ids).toHaveLength(64)
  })

  it('does not apply a length limit or padding stored in tokenizer.json', async () => {
    const dir = await tinyFolder()
    const path = join(dir, 'tokenizer.json')
    const json = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>
    json['truncation'] = { direction: 'Right', max_length: 3, strategy: 'LongestFirst', stride: 0 }
    json['padding'] = {
      strategy: { Fixed: 8 },
      direction: 'Right',
      pad_to_multiple_of: null,
      pad_id: 0,
      pad_type_id: 0,
      pad_token: '<unk>',
    }
    await writeFile(path, JSON.stringify(json))
    const tokenizer = await AutoTokenizer.from_pretrained(dir)
    expect(await tokenizer.encode('abcde')).toHaveLength(6)
  })

  it('names what is not a string, and refuses the clean-up that corrupts text', async () => {
    const tokenizer = await tinyTokenizer()
    await expect(tokenizer.batch_encode(['a', 7 as unknown as string])).rejects.toThrow(
      'text 1 is number, needs a string',
    )
    await expect(tokenizer.decode([1], { clean_up_tokenization_spaces: true as false })).rejects.toThrow(
      'corrupts',
    )
  })
})

describe('special tokens', () => {
  it('come from the configuration as strings or { content }, options win', async () => {
    const tokenizer = await tinyTokenizer({ pad_token: { content: '<|end|>' } }, { eos_token: '<|end|>' })
    expect([tokenizer.pad_token, tokenizer.pad_token_id, tokenizer.eos_token_id]).toEqual(['<|end|>', 3, 3])
    expect(tokenizer.all_special_ids.sort()).toEqual([0, 1, 2, 3])
    expect((await tinyTokenizer()).pad_token).toBeNull()
  })

  it('come from special_tokens_map.json where tokenizer_config.json is silent', async () => {
    const dir = await tinyFolder()
    await writeFile(join(dir, 'tokenizer_config.json'), '{}')
    await writeFile(
      join(dir, 'special_tokens_map.json'),
      JSON.stringify({ eos_token: { content: '<|end|>' } }),
    )
    const tokenizer = await AutoTokenizer.from_pretrained(dir)
    expect([tokenizer.eos_token, tokenizer.bos_token]).toEqual(['<|end|>', null])
  })

  it('that only the configuration declares are added', async () => {
    const tokenizer = await tinyTokenizer({
      added_tokens_decoder: { 400: { content: '<tool>', special: true } },
      extra_special_tokens: ['<image>'],
    })
    expect(tokenizer.length).toBe(tokenizer.vocab_size + 2)
    expect(await tokenizer.tokenize('a<tool><image>')).toEqual(['a', '<tool>', '<image>'])
    expect(tokenizer.all_special_tokens).toContain('<image>')
  })

  it('that are not in the vocabulary are refused with the nearest', async () => {
    const tokenizer = await tinyTokenizer()
    expect(() => (tokenizer.pad_token = '<|ends|>')).toThrow("Did you mean '<|end|>'?")
    expect(tokenizer.pad_token).toBeNull()
    expect(tokenizer.convert_tokens_to_ids('nowhere')).toBe(0)
    expect(tokenizer.convert_ids_to_tokens(9999)).toBeNull()
  })

  it("the caller's add_bos_token and add_eos_token replace the rule of tokenizer.json, the file's do not", async () => {
    const tokens = async (config: object, options: object = {}): Promise<unknown> => {
      const tokenizer = await tinyTokenizer({ ...config }, options)
      return tokenizer.convert_ids_to_tokens(await tokenizer.encode('a'))
    }
    expect(await tokens({}, { add_bos_token: false })).toEqual(['a'])
    expect(await tokens({}, { add_eos_token: true })).toEqual(['a', '</s>'])
    expect(await tokens({ add_eos_token: true })).toEqual(['<s>', 'a'])
    expect(await tokens({ add_bos_token: false })).toEqual(['<s>', 'a'])
  })

  it('have the flags that the configuration gives them', async () => {
    const flags = { lstrip: true, rstrip: true, normalized: false, single_word: false, special: true }
    const tokenizer = await tinyTokenizer({
      added_tokens_decoder: { 3: { content: '<|end|>', ...flags } },
      extra_special_tokens: { image_token: '<image>', audio: { content: '<audio>', lstrip: true } },
      mask_token: '<mask>',
    })
    const pieces = await tokenizer.tokenize('a <|end|> b<image> <audio><mask>')
    expect(pieces).toEqual(['a', ' <|end|> ', 'b', '<image>', ' <audio>', '<mask>'])
    expect(tokenizer.all_special_tokens).toEqual(
      expect.arrayContaining(['<image>', '<audio>', '<mask>', '<|end|>']),
    )
  })

  it.each([
    [{ bos_token: 5 }, 'bos_token: got 5, needs a text or an object with content'],
    [{ bos_token: { a: 1 } }, 'bos_token: got {"a":1}'],
    [{ eos_token: '<nowhere>' }, "eos_token: '<nowhere>' is not in the vocabulary"],
    [{ model_max_length: 0 }, 'model_max_length: got 0, needs a number above 0'],
    [{ padding_side: 'up' }, "padding_side: got \"up\", needs 'left' or 'right'"],
    [{ split_special_tokens: true }, 'split_special_tokens: got true, needs false: splitting special'],
    [{ mask_token: 5 }, 'mask_token: got 5, needs a text or an object'],
    [{ eos_token: { content: '</s>', lstrip: 'yes' } }, 'eos_token: got {"content":"</s>","lstrip":"yes"}'],
    [{ add_bos_token: 'yes' }, 'add_bos_token: got "yes", needs true or false'],
    [{ added_tokens_decoder: { x: 5 } }, 'added_tokens_decoder: got {"x":5}'],
    [{ extra_special_tokens: ['a', 5] }, 'extra_special_tokens: got ["a",5]'],
    [{ chat_template: [{ a: 1 }] }, 'chat_template: got [{"a":1}]'],
  ])('that are none are refused: %j', async (config, message) => {
    await expect(tinyTokenizer(config)).rejects.toThrow(`tokenizer_config.json: ${message}`)
  })

  it('a vocabulary with one id for two tokens, and a rule with an unknown token, are refused', async () => {
    const dir = await tinyFolder()
    const path = join(dir, 'tokenizer.json')
    const json = JSON.parse(await readFile(path, 'utf8')) as { model: { vocab: Record<string, number> } }
    const broken = {
      ...json,
      post_processor: {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<no>', type_id: 0 } }],
        pair: [],
        special_tokens: {},
      },
    }
    await writeFile(path, JSON.stringify(broken))
    await expect(AutoTokenizer.from_pretrained(dir)).rejects.toThrow(
      "tokenizer.json: post_processor places '<no>'",
    )
    json.model.vocab['hello'] = 7
    await writeFile(path, JSON.stringify(json))
    await expect(AutoTokenizer.from_pretrained(dir)).rejects.toThrow(/'hello' the same id 7/)
  })
})

describe('loading and saving', () => {
  it.each([
    ['tokenizer.json', 'null', 'expected a JSON object, got null'],
    ['tokenizer_config.json', 'null', 'expected a JSON object, got null'],
    ['tokenizer_config.json', '[1]', 'expected a JSON object, got an array'],
    ['special_tokens_map.json', '5', 'expected a JSON object, got a number'],
    ['tokenizer_config.json', '{"bos_token": 5}', 'bos_token: got 5, needs a text or an object with content'],
    ['tokenizer_config.json', '{"bos_token": {"a": 1}}', 'bos_token: got {"a":1}, needs a text'],
    ['special_tokens_map.json', '{"bos_token": 5}', 'special_tokens_map.json: bos_token: got 5'],
    ['chat_template.jinja', Buffer.of(0x61, 0xff, 0x61), 'not UTF-8 at byte 1'],
    ['tokenizer_config.json', Buffer.of(0x7b, 0xe9, 0x7d), 'not UTF-8 at byte 1'],
  ])('%s that holds %s is refused by name', async (file, content, message) => {
    const dir = await tinyFolder()
    await writeFile(join(dir, file), content)
    const loading = AutoTokenizer.from_pretrained(dir)
    await expect(loading).rejects.toThrow(message)
    await expect(loading).rejects.toThrow(join(dir, file))
  })

  it('reads files with a byte order mark, and UTF-16', async () => {
    const dir = await tinyFolder()
    for (const [file, encoding] of [
      ['tokenizer.json', 'utf8'],
      ['tokenizer_config.json', 'utf16le'],
    ] as const) {
      const text = await readFile(join(dir, file), 'utf8')
      await writeFile(join(dir, file), '\ufeff' + text, encoding)
    }
    const read = await AutoTokenizer.from_pretrained(dir)
    expect(await read.encode('hello')).toEqual(await (await tinyTokenizer()).encode('hello'))
  })

  it('saves what it loads again, as transformers 5 lays it out', async () => {
    const tokenizer = await tinyTokenizer()
    tokenizer.pad_token = '<|end|>'
    tokenizer.padding_side = 'left'
    const dir = await temporaryFolder()
    await tokenizer.save_pretrained(join(dir, 'new'))
    expect((await readdir(join(dir, 'new'))).sort()).toEqual([
      'chat_template.jinja',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
    const again = await AutoTokenizer.from_pretrained(join(dir, 'new'))
    expect(again.special_tokens_map).toEqual(tokenizer.special_tokens_map)
    expect([again.padding_side, again.model_max_length, again.chat_template]).toEqual([
      'left',
      64,
      tokenizer.chat_template,
    ])
    expect(await again.encode('hello')).toEqual(await tokenizer.encode('hello'))
  })

  it('writes an unknown length limit as an integer, which Python needs', async () => {
    const tokenizer = await tinyTokenizer({ model_max_length: null })
    const dir = await temporaryFolder()
    await tokenizer.save_pretrained(dir)
    expect(await readFile(join(dir, 'tokenizer_config.json'), 'utf8')).toContain(
      '"model_max_length": 1000000000000000019884624838656,',
    )
  })

  it('leaves nothing half-written when the folder cannot be made', async () => {
    const dir = await temporaryFolder()
    await writeFile(join(dir, 'file'), '')
    await expect((await tinyTokenizer()).save_pretrained(join(dir, 'file', 'x'))).rejects.toThrow(
      join(dir, 'file', 'x'),
    )
    expect(await readdir(dir)).toEqual(['file'])
  })

  it('renders with the template that is named or fits, of several', async () => {
    const tokenizer = await tinyTokenizer({
      chat_template: [
        { name: 'tool_use', template: 't' },
        { name: 'default', template: 'd' },
      ],
    })
    const turns = [{ role: 'user', content: 'a' }]
    const render = (options: object): Promise<string> =>
      tokenizer.apply_chat_template(turns, { tokenize: false, ...options })
    expect(await render({})).toBe('d')
    expect(await render({ tools: [{}] })).toBe('t')
    expect(await render({ chat_template: 'tool_use' })).toBe('t')
    expect(await render({ chat_template: '{{ messages[0].content }}' })).toBe('a')
    const dir = await temporaryFolder()
    await tokenizer.save_pretrained(dir)
    expect((await AutoTokenizer.from_pretrained(dir)).chat_template).toEqual({ default: 'd', tool_use: 't' })
    tokenizer.chat_template = { b: '', a: '' }
    await expect(render({})).rejects.toThrow("none is named 'default': give { chat_template } one of a, b")
  })

  it('says which files there are when tokenizer.json is missing, and what is wrong with a broken one', async () => {
    const dir = await temporaryFolder()
    await writeFile(join(dir, 'tokenizer.model'), '')
    await expect(AutoTokenizer.from_pretrained(dir)).rejects.toThrow(
      /no tokenizer.json .* It has: tokenizer.model/,
    )
    await expect(AutoTokenizer.from_pretrained(dir, { gguf_file: 'x.gguf' })).rejects.toThrow(
      'no file x.gguf',
    )
    await writeFile(join(dir, 'tokenizer.json'), '{"version"')
    await expect(AutoTokenizer.from_pretrained(dir)).rejects.toThrow(/tokenizer.json: not valid JSON/)
    await writeFile(join(dir, 'tokenizer.json'), '{"version": "1.0"}')
    await expect(AutoTokenizer.from_pretrained(dir)).rejects.toThrow(/tokenizer.json: not a tokenizer/)
  })

  it('refuses unknown options; use_fast and trust_remote_code change nothing, which is said', async () => {
    const dir = await tinyFolder()
    await expect(AutoTokenizer.from_pretrained(dir, { paddin_side: 'left' } as object)).rejects.toThrow(
      "Did you mean 'padding_side'?",
    )
    const written = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
    await AutoTokenizer.from_pretrained(dir, { trust_remote_code: true, use_fast: false })
    expect(written.mock.calls.flat().join()).toContain(
      'accepted, changes nothing here: trust_remote_code = true, use_fast = false',
    )
    written.mockRestore()
  })
})
