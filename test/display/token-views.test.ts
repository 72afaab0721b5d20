import { describe, expect, it } from 'vitest'
import { logit_lens, logitLensBundle } from '../../src/display/logit-lens'
import { token_losses, tokenLossesBundle } from '../../src/display/token-losses'
import { tokenTexts } from '../../src/display/token-text'
import { sharedTokenizer } from '../trainer/tiny'
import { tinyModel, tinyPeft } from '../models/tiny'

const text = 'hello world, hello'

describe('token_losses', () => {
  it('is -log softmax of the logits at the next token, and says what was before', async () => {
    const tokenizer = await sharedTokenizer()
    const model = await tinyPeft()
    const found = await token_losses(model, text, { tokenizer })
    const ids = await tokenizer.encode(text)
    const { logits, loss } = await model.forward({ input_ids: [ids], labels: [ids] })
    const values = await logits.data()
    const vocab = logits.shape[2]!
    expect(found.losses).toHaveLength(ids.length)
    expect(found.losses[0]).toBeNaN()
    for (let i = 1; i < ids.length; i++) {
      const row = values.subarray((i - 1) * vocab, i * vocab)
      const sum = row.reduce((n, logit) => n + Math.exp(logit), 0)
      expect(Math.abs(found.losses[i]! - (Math.log(sum) - row[ids[i]!]!))).toBeLessThanOrEqual(1e-4)
    }
    expect(Math.abs(found.mean_loss - loss!)).toBeLessThanOrEqual(1e-5)
    logits.dispose()
    const before = await model.disable_adapter(() => token_losses(model, text, { tokenizer }))
    expect(Math.abs(before.mean_loss - found.mean_loss)).toBeGreaterThan(1e-3)
    const both = await token_losses(model, text, { tokenizer, beside: before })
    const html = String(tokenLossesBundle(both)['text/html'])
    expect(html.match(/<b>before<\/b>|<b>after<\/b>/g)).toEqual(['<b>before</b>', '<b>after</b>'])
    expect(html.match(/<span title="id/g)).toHaveLength(2 * ids.length)
  })

  it('of a conversation, and refuses what it cannot show', async () => {
    const tokenizer = await sharedTokenizer()
    const model = await tinyModel()
    const shown = await token_losses(model, [{ role: 'user', content: 'hello' }], { tokenizer })
    expect(shown.tokens.join('')).toContain('user:hello')
    await expect(token_losses(model, '', { tokenizer })).rejects.toThrow(/fewer than two tokens/)
    await expect(token_losses(model, text, { tokenizer, beside: shown })).rejects.toThrow(/another text/)
    await expect(token_losses(model, text, {} as never)).rejects.toThrow(/tokenizer is missing/)
  })
})

describe('logit_lens', () => {
  it('ends with what the model says, and begins with what the embedding says', async () => {
    const tokenizer = await sharedTokenizer()
    const model = await tinyModel()
    const lens = await logit_lens(model, text, { tokenizer })
    const ids = await tokenizer.encode(text)
    expect(lens.layers).toHaveLength(model.config.num_hidden_layers + 1)
    const { logits, hidden_states } = await model.forward({ input_ids: [ids], output_hidden_states: true })
    const values = await logits.data()
    const vocab = logits.shape[2]!
    for (const [i, { id, probability, token }] of lens.layers.at(-1)!.entries()) {
      const row = [...values.subarray(i * vocab, (i + 1) * vocab)]
      const most = Math.max(...row)
      expect(id).toBe(row.indexOf(most))
      const sum = row.reduce((n, logit) => n + Math.exp(logit - most), 0)
      expect(Math.abs(probability - 1 / sum)).toBeLessThanOrEqual(1e-5)
      expect(token).toBe((await tokenTexts(tokenizer, [id]))[0])
    }
    // The first row differs from the last: it is of the embedding.
    expect(lens.layers[0]!.map(({ id }) => id)).not.toEqual(lens.layers.at(-1)!.map(({ id }) => id))
    const rows = logitLensBundle(lens)['text/plain'].split('\n')
    expect(rows[1]).toMatch(new RegExp(`^layer ${model.config.num_hidden_layers}`))
    for (const t of [logits, ...hidden_states!]) t.dispose()
  })
})
