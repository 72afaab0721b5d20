import { describe, expect, it } from 'vitest'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import type { NewToken, SpecialTokensToAdd } from '../../src/data/new-tokens'
import { temporaryFolder } from '../files/support/temporary'
import { tinyTokenizer } from './tiny'

describe('add_tokens', () => {
  it('adds what the vocabulary lacks, behind the others', async () => {
    const tokenizer = await tinyTokenizer()
    const { length } = tokenizer
    expect(tokenizer.add_tokens(['<call>', 'hello', '<result>'])).toBe(2)
    expect(tokenizer.length).toBe(length + 2)
    expect(tokenizer.convert_tokens_to_ids(['<call>', '<result>'])).toEqual([length, length + 1])
    expect(tokenizer.add_tokens('<call>')).toBe(0)
    const ids = await tokenizer.encode('hello<call>hello', { add_special_tokens: false })
    expect(ids).toContain(length)
    expect(await tokenizer.decode(ids, { skip_special_tokens: true })).toBe('hello<call>hello')
  })

  it.each<[NewToken | NewToken[], string]>([
    [5 as never, '[tokenizer.add_tokens] got 5, needs a token'],
    [['<a>', ''], "[tokenizer.add_tokens] got '', needs a token"],
  ])('%j is refused', async (tokens, message) => {
    const tokenizer = await tinyTokenizer()
    expect(() => tokenizer.add_tokens(tokens)).toThrow(message)
  })
})

describe('add_special_tokens', () => {
  it('names and numbers them; decoding skips them; they are saved', async () => {
    const tokenizer = await tinyTokenizer()
    const { length } = tokenizer
    const added = tokenizer.add_special_tokens({
      pad_token: '<pad>',
      eos_token: '<|end|>',
      additional_special_tokens: ['<|im_start|>', { content: '<|im_end|>' }],
    })
    expect([added, tokenizer.length]).toEqual([3, length + 3])
    expect([tokenizer.pad_token, tokenizer.pad_token_id]).toEqual(['<pad>', length])
    expect(tokenizer.eos_token).toBe('<|end|>')
    expect(tokenizer.all_special_tokens).toContain('<|im_end|>')
    const text = '<|im_start|>hello<|im_end|>'
    const ids = await tokenizer.encode(text, { add_special_tokens: false })
    expect([ids[0], ids.at(-1)]).toEqual([length + 1, length + 2])
    expect(await tokenizer.decode(ids, { skip_special_tokens: true })).toBe('hello')

    const folder = await temporaryFolder()
    await tokenizer.save_pretrained(folder)
    const again = await AutoTokenizer.from_pretrained(folder)
    expect([again.length, again.pad_token_id, again.eos_token]).toEqual([length + 3, length, '<|end|>'])
    expect(await again.encode(text, { add_special_tokens: false })).toEqual(ids)
    expect(await again.decode(ids, { skip_special_tokens: true })).toBe('hello')
  })

  it('replaces those without a name, or extends them', async () => {
    const tokenizer = await tinyTokenizer()
    tokenizer.add_special_tokens({ extra_special_tokens: ['<a>'] })
    tokenizer.add_special_tokens({ extra_special_tokens: ['<b>'] })
    expect(tokenizer.all_special_tokens.filter((token) => /^<[ab]>$/.test(token))).toEqual(['<b>'])
    const keep = { replace_extra_special_tokens: false }
    tokenizer.add_special_tokens({ extra_special_tokens: ['<a>'] }, keep)
    expect(tokenizer.all_special_tokens.filter((token) => /^<[ab]>$/.test(token))).toEqual(['<b>', '<a>'])
  })

  it.each<[SpecialTokensToAdd, string]>([
    [[] as never, 'needs an object'],
    [{ cls_token: '<c>' } as never, "'cls_token' is not supported; supported: bos_token"],
    [{ pad_token: ['<p>'] as never }, 'pad_token: got ["<p>"], needs one token'],
    [{ extra_special_tokens: '<x>' as never }, "extra_special_tokens: got '<x>', needs a list of tokens"],
  ])('%j is refused', async (tokens, message) => {
    const tokenizer = await tinyTokenizer()
    const { length } = tokenizer
    expect(() => tokenizer.add_special_tokens(tokens)).toThrow(message)
    expect(tokenizer.length).toBe(length)
  })
})
