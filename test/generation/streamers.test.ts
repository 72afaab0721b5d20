import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { Detokenizer } from '../../src/generation/detokenizer'
import { TextIteratorStreamer, TextStreamer } from '../../src/generation/streamers'
import type { PreTrainedTokenizer } from '../../src/data/tokenizer'
import { smollm2, tinyTokenizer } from '../data/tiny'
import { AutoTokenizer } from '../../src/data/auto-tokenizer'
import { titled } from '../support/shared'
import { tinyModel } from '../models/tiny'

/** Characters of one to four bytes, each byte a token of the tiny tokenizer. */
const text = 'hello wörld €5 日本語 🎉 né\nnext  line 🧑‍🚀 end'

async function pieces(tokenizer: PreTrainedTokenizer, ids: number[], size = 1): Promise<string[]> {
  const detokenizer = new Detokenizer(tokenizer)
  const given: string[] = []
  for (let i = 0; i < ids.length; i += size) given.push(await detokenizer.push(ids.slice(i, i + size)))
  return [...given, await detokenizer.end()]
}

describe('the text of ids as they come', () => {
  it.each([1, 2, 3, 7])('is the text of all of them, %i at a time, without half characters', async (size) => {
    const tokenizer = await tinyTokenizer()
    const ids = await tokenizer.encode(text, { add_special_tokens: false })
    expect(ids.length).toBeGreaterThan(text.length)
    const found = await pieces(tokenizer, ids, size)
    expect(found.join('')).toBe(text)
    expect(found.join('|')).not.toContain('\ufffd')
  })

  it('bytes that are no character come at the end, as decoding has them', async () => {
    const tokenizer = await tinyTokenizer()
    const ids = await tokenizer.encode('a🎉', { add_special_tokens: false })
    const cut = ids.slice(0, -1)
    const found = await pieces(tokenizer, cut)
    expect(found.join('')).toBe(await tokenizer.decode(cut))
    expect(found.slice(0, -1)).toEqual(['a', '', '', ''])
  })

  const small = smollm2()
  it.skipIf(!small)(titled("SmolLM2's tokenizer too", small, 'SmolLM2 of the set-up'), async () => {
    const tokenizer = await AutoTokenizer.from_pretrained(small!.dir, { gguf_file: small!.gguf_file })
    const ids = await tokenizer.encode(text)
    expect((await pieces(tokenizer, ids)).join('')).toBe(text)
  })
})

describe('TextStreamer', () => {
  async function printed(options: object, prompt: number[], answer: number[]): Promise<string[]> {
    const tokenizer = await tinyTokenizer()
    const written: string[] = []
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      written.push(String(chunk))
      return true
    })
    onTestFinished(() => write.mockRestore())
    const streamer = new TextStreamer(tokenizer, options)
    await streamer.put(prompt)
    for (const id of answer) await streamer.put([id])
    await streamer.end()
    write.mockRestore()
    return written
  }

  it('prints words as they become whole, Chinese at once, and a line break at the end', async () => {
    const tokenizer = await tinyTokenizer()
    const ids = await tokenizer.encode('hello big wide\nworld 日本', { add_special_tokens: false })
    const written = await printed({}, ids.slice(0, 1), ids.slice(1))
    expect(written).toEqual(['hello ', 'big ', 'wide\n', 'world ', '日', '本', '\n'])
  })

  it('leaves out prompt and special tokens when asked to', async () => {
    const written = await printed({ skip_prompt: true, skip_special_tokens: true }, [1, 9], [1, 75, 2])
    expect(written).toEqual([`${await (await tinyTokenizer()).decode([75])}\n`])
    expect((await printed({}, [1], [2])).join('')).toBe('<s></s>\n')
  })

  it('refuses unknown options', async () => {
    const tokenizer = await tinyTokenizer()
    expect(() => new TextStreamer(tokenizer, { skip_promt: true } as never)).toThrow(
      "[TextStreamer] unknown option 'skip_promt'. Did you mean 'skip_prompt'?",
    )
  })
})

describe('generate with a streamer', () => {
  it('gives the prompt, then each token, then the end', async () => {
    const model = await tinyModel()
    const calls: (number[] | 'end')[] = []
    const streamer = {
      put: (ids: readonly number[]) => void calls.push([...ids]),
      end: () => void calls.push('end'),
    }
    const [ids] = await model.generate(
      { input_ids: [[5, 6]] },
      { max_new_tokens: 3, eos_token_id: [], streamer },
    )
    expect(calls).toEqual([[5, 6], [ids![2]], [ids![3]], [ids![4]], 'end'])
    await expect(model.generate({ input_ids: [[5], [6]] }, { streamer })).rejects.toThrow(
      '[generate] a streamer takes one answer to one prompt',
    )
    await expect(model.generate({ input_ids: [[5]] }, { streamer, num_beams: 2 })).rejects.toThrow(
      'a streamer cannot follow beams',
    )
  })

  it('TextIteratorStreamer gives the text while generate runs; it is the text of the answer', async () => {
    const [model, tokenizer] = [await tinyModel(), await tinyTokenizer()]
    const streamer = new TextIteratorStreamer(tokenizer, { skip_prompt: true })
    const options = {
      max_new_tokens: 40,
      eos_token_id: [],
      suppress_tokens: Array.from({ length: 247 }, (_, i) => 265 + i),
    }
    const run = model.generate({ input_ids: [[5, 6]] }, { ...options, streamer })
    const found: string[] = []
    for await (const piece of streamer) found.push(piece)
    const [ids] = await run
    expect(found.join('')).toBe(await tokenizer.decode(ids!.slice(2)))
  })
})
