import { readFileSync } from 'node:fs'
import { Tokenizer } from 'tokenizers'
import { describe, expect, it } from 'vitest'

import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { ggufTokenizer } from '../../src/data/gguf-tokenizer'
import { tinyMetadata, smollm2 } from './tiny'
import { sharedPath, titled } from '../support/shared'

const pieces = async (pre: string | undefined, text: string): Promise<string[]> => {
  const { tokenizer } = ggufTokenizer({ ...tinyMetadata(), 'tokenizer.ggml.pre': pre }, 'x.gguf')
  const native = Tokenizer.fromString(JSON.stringify(tokenizer))
  return (
    native
      .getPreTokenizer()
      ?.preTokenizeString(text)
      .map(([piece]) => piece) ?? []
  )
}

describe('ggufTokenizer', () => {
  it('cuts text by the named rule', async () => {
    expect(await pieces('smollm', 'ab 123')).toEqual(['ab', 'Ġ', '1', '2', '3'])
    expect(await pieces('gpt-2', 'ab 1234')).toEqual(['ab', 'Ġ1234'])
    expect(await pieces(undefined, 'ab 1234')).toEqual(['ab', 'Ġ1234'])
    expect(await pieces('llama-bpe', "I'LL 1234\n\n x")).toEqual(['I', "'LL", 'Ġ', '123', '4', 'ĊĊ', 'Ġx'])
    expect(await pieces('qwen2', 'ab 12')).toEqual(['ab', 'Ġ', '1', '2'])
  })

  it('composes accents (qwen2) and prefers whole words of the vocabulary (llama-bpe) where the model does', async () => {
    const metadata = tinyMetadata()
    // 'wz' is a token that no merge leads to.
    const tokens = [...(metadata['tokenizer.ggml.tokens'] as string[]), 'wz']
    const types = [...(metadata['tokenizer.ggml.token_type'] as number[]), 1]
    const encode = async (pre: string, text: string): Promise<string[]> => {
      const changed = {
        ...metadata,
        'tokenizer.ggml.tokens': tokens,
        'tokenizer.ggml.token_type': types,
        'tokenizer.ggml.pre': pre,
      }
      const native = Tokenizer.fromString(JSON.stringify(ggufTokenizer(changed, 'x.gguf').tokenizer))
      return (await native.encode(text)).getTokens()
    }
    expect(await encode('llama-bpe', 'wz')).toEqual(['wz'])
    expect(await encode('qwen2', 'wz')).toEqual(['w', 'z'])
    expect(await encode('qwen2', 'e\u0301')).toEqual(await encode('qwen2', '\u00e9'))
    expect(await encode('llama-bpe', 'e\u0301')).not.toEqual(await encode('llama-bpe', '\u00e9'))
  })

  it('takes special tokens, rules and limits from the metadata', () => {
    const { config } = ggufTokenizer(tinyMetadata(), 'x.gguf')
    expect(config).toMatchObject({
      bos_token: '<s>',
      eos_token: '</s>',
      unk_token: '<unk>',
      add_bos_token: true,
      model_max_length: 64,
    })
    expect(config['pad_token']).toBeUndefined()
  })

  it('marks control tokens special and user-defined ones added', () => {
    const metadata = tinyMetadata()
    const types = [...(metadata['tokenizer.ggml.token_type'] as number[])]
    types[264] = 4
    const { tokenizer } = ggufTokenizer({ ...metadata, 'tokenizer.ggml.token_type': types }, 'x.gguf')
    const added = tokenizer['added_tokens'] as { id: number; special: boolean }[]
    expect(added.map(({ id, special }) => [id, special])).toEqual([
      [0, true],
      [1, true],
      [2, true],
      [3, true],
      [264, false],
    ])
  })

  it('refuses what it cannot read, naming what it can', () => {
    const read = (change: object) => () => ggufTokenizer({ ...tinyMetadata(), ...change }, 'x.gguf')
    expect(read({ 'tokenizer.ggml.model': 'llama' })).toThrow(
      "x.gguf: tokenizer.ggml.model is 'llama', supported: gpt2",
    )
    expect(read({ 'tokenizer.ggml.pre': 'tekken' })).toThrow(/is 'tekken', supported: smollm, gpt-2/)
    expect(read({ 'tokenizer.ggml.merges': undefined })).toThrow('no list tokenizer.ggml.merges')
    expect(read({ 'tokenizer.ggml.merges': ['h e', 5] })).toThrow(
      'x.gguf: tokenizer.ggml.merges[1] is 5; expected two tokens with a space between',
    )
    expect(read({ 'tokenizer.ggml.merges': ['he'] })).toThrow('tokenizer.ggml.merges[0] is "he"')
    expect(read({ 'tokenizer.ggml.tokens': [1, 2] })).toThrow('tokenizer.ggml.tokens[0] is 1; expected text')
    expect(read({ 'tokenizer.ggml.token_type': ['a'] })).toThrow(
      'tokenizer.ggml.token_type[0] is "a"; expected an integer',
    )
    expect(read({ 'tokenizer.ggml.token_type': [1] })).toThrow('has 1 entries for 265 tokens')
  })
})

const gguf = smollm2()
const rows = sharedPath('data/instruct_messages/train.jsonl')
it.skipIf(!gguf || !rows)(
  titled(
    'SmolLM2 renders and reads back 1,000 conversations',
    gguf && rows,
    'SmolLM2 and data/instruct_messages',
  ),
  async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(gguf?.dir ?? '', {
      gguf_file: gguf?.gguf_file ?? '',
    })
    const lines = readFileSync(rows ?? '', 'utf8')
      .trim()
      .split('\n')
    const texts = await Promise.all(
      lines.map((line) =>
        tokenizer.apply_chat_template((JSON.parse(line) as { messages: [] }).messages, { tokenize: false }),
      ),
    )
    const { input_ids } = await tokenizer.batch_encode(texts)
    expect(await tokenizer.batch_decode(input_ids)).toEqual(texts)
  },
)
