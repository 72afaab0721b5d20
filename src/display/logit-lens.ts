import type { PreTrainedTokenizer } from '../data/tokenizer'
import { collate } from '../data/collator'
import { toDevice } from '../models/batch'
import type { CausalLM } from '../models/causal-lm'
import { contextOf, forwardHidden } from '../models/pass'
import { logitsOf } from '../nn/loss'
import { checkNames } from '../options/parse'
import { PeftModel } from '../peft/model'
import { escapeHtml } from './format'
import type { MimeBundle } from './output'
import { tokenTexts } from './token-text'

/** What one layer would say after one token. */
export interface LensCell {
  /** The most likely next token, its id and its probability. */
  token: string
  id: number
  probability: number
}

/** What each layer's hidden states say of the next token, read through the model's last norm and head. */
export class LogitLens {
  constructor(
    /** The text's tokens. */
    readonly tokens: readonly string[],
    /** [layers + 1][tokens]: after the embedding, after each layer; the last is what the model says. */
    readonly layers: readonly (readonly LensCell[])[],
  ) {}
}

/** The logit lens of a text: for small models and short texts. */
export async function logit_lens(
  model: CausalLM | PeftModel,
  text: string,
  options: { tokenizer: PreTrainedTokenizer },
): Promise<LogitLens> {
  checkNames<{ tokenizer: PreTrainedTokenizer }>('logit_lens', options, ['tokenizer'])
  const { tokenizer } = options
  if (!tokenizer) throw new TypeError('[logit_lens] tokenizer is missing: give { tokenizer }')
  const base = model instanceof PeftModel ? model.base_model : model
  const ids = await tokenizer.encode(text)
  if (ids.length === 0) throw new Error('[logit_lens] the text has no token')
  const logits: Promise<Float32Array>[] = []
  {
    using scope = base.device.scope()
    const batch = toDevice(collate([{ input_ids: ids }]), base.config.vocab_size, base.device, scope)
    const ctx = contextOf(batch, scope, {})
    forwardHidden(base, batch, ctx, (x) => {
      const hidden = base.parts.norm.forward(x, ctx).y
      const read = logitsOf(hidden, base.parts, ctx)
      logits.push(read.data())
      scope.free(read)
      scope.free(hidden)
    })
    await base.device.synchronize()
  }
  const best = (await Promise.all(logits)).map((values) => mostLikely(values, ids.length))
  const texts = new Map<number, string>()
  const wanted = [...new Set(best.flatMap((cells) => cells.map(({ id }) => id)))]
  for (const [i, token] of (await tokenTexts(tokenizer, wanted)).entries()) texts.set(wanted[i]!, token)
  return new LogitLens(
    await tokenTexts(tokenizer, ids),
    best.map((cells) => cells.map((cell) => ({ ...cell, token: texts.get(cell.id)! }))),
  )
}

function mostLikely(logits: Float32Array, rows: number): { id: number; probability: number }[] {
  const vocab = logits.length / rows
  return Array.from({ length: rows }, (_, row) => {
    const of = logits.subarray(row * vocab, (row + 1) * vocab)
    let id = 0
    for (let i = 1; i < vocab; i++) if (of[i]! > of[id]!) id = i
    let sum = 0
    for (const logit of of) sum += Math.exp(logit - of[id]!)
    return { id, probability: 1 / sum }
  })
}

export function logitLensBundle({ tokens, layers }: LogitLens): MimeBundle {
  const name = (i: number): string => (i === 0 ? 'embedding' : `layer ${i}`)
  const cell = (text: string, style = ''): string =>
    `<td style="text-align:left;white-space:pre;${style}">${escapeHtml(text)}</td>`
  const head = `<tr><th></th>${tokens.map((token) => `<th style="text-align:left;white-space:pre">${escapeHtml(token)}</th>`).join('')}</tr>`
  const body = layers
    .map((cells, i) => {
      const tds = cells.map(({ token, probability }) =>
        cell(token, `background:rgba(72,120,208,${(probability * 0.7).toFixed(3)})`).replace(
          '<td ',
          `<td title="p ${probability.toFixed(3)}" `,
        ),
      )
      return `<tr><th style="white-space:nowrap">${name(i)}</th>${tds.join('')}</tr>`
    })
    .reverse()
  const plain = layers
    .map((cells, i) => `${name(i).padEnd(10)} ${cells.map(({ token }) => JSON.stringify(token)).join(' ')}`)
    .reverse()
  return {
    'text/html': `<div style="overflow-x:auto"><table>${head}${body.join('')}</table></div>`,
    'text/plain': [
      `${' '.repeat(10)} ${tokens.map((token) => JSON.stringify(token)).join(' ')}`,
      ...plain,
    ].join('\n'),
  }
}
