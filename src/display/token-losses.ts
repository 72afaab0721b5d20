import type { PreTrainedTokenizer } from '../data/tokenizer'
import type { ChatMessage } from '../data/chat-template'
import type { CausalLM } from '../models/causal-lm'
import { runPass } from '../models/pass'
import { collate } from '../data/collator'
import { checkNames } from '../options/parse'
import { PeftModel } from '../peft/model'
import { formatNumber } from './format'
import type { MimeBundle } from './output'
import { swatch, tokensHtml, tokenTexts, type ShownToken } from './token-text'

export interface TokenLossOptions {
  tokenizer: PreTrainedTokenizer
  /** What an earlier call gave for the same text, for instance before training: shown beside. */
  beside?: TokenLosses
}

/** How surprising each token of a text is to a model. */
export class TokenLosses {
  constructor(
    readonly input_ids: readonly number[],
    /** The tokens' texts. */
    readonly tokens: readonly string[],
    /** -log p of each token after those before it, in nats; NaN for the first, which nothing predicts. */
    readonly losses: readonly number[],
    readonly beside: TokenLosses | undefined,
  ) {}

  /** Over the tokens that are predicted. */
  get mean_loss(): number {
    const known = this.losses.slice(1)
    return known.reduce((sum, loss) => sum + loss, 0) / known.length
  }
}

/**
 * The loss of each token of a text or a conversation under a model, as coloured text in a notebook: pale where the model expected the
 * token, red where it did not.
 * @throws Error when the text has fewer than two tokens, or `beside` is of another text.
 */
export async function token_losses(
  model: CausalLM | PeftModel,
  text: string | readonly ChatMessage[],
  options: TokenLossOptions,
): Promise<TokenLosses> {
  checkNames<TokenLossOptions>('token_losses', options, ['tokenizer', 'beside'])
  const { tokenizer, beside } = options
  if (!tokenizer) throw new TypeError('[token_losses] tokenizer is missing: give { tokenizer }')
  const ids =
    typeof text === 'string'
      ? await tokenizer.encode(text)
      : await tokenizer.apply_chat_template(text, { return_dict: false })
  if (ids.length < 2)
    throw new Error('[token_losses] the text has fewer than two tokens: nothing is predicted')
  if (beside && String(beside.input_ids) !== String(ids))
    throw new Error('[token_losses] beside is of another text')
  const base = model instanceof PeftModel ? model.base_model : model
  let losses: number[] = []
  const objective = (logps: Float32Array): { loss: number; dlogps: Float32Array } => {
    losses = Array.from(logps, (logp) => -logp)
    return { loss: 0, dlogps: logps }
  }
  await runPass(base, collate([{ input_ids: ids }]), { backward: false, objective })
  return new TokenLosses(ids, await tokenTexts(tokenizer, ids), [NaN, ...losses], beside)
}

/** From no colour at 0 to full red at 6 nats, a probability of 0.25%. */
export const lossColor = (loss: number): string =>
  `rgba(214,70,60,${Math.min(0.75, Math.max(0, loss / 8)).toFixed(3)})`

export function tokenLossesBundle(shown: TokenLosses): MimeBundle {
  const parts = shown.beside ? [shown.beside, shown] : [shown]
  const title = (i: number): string => (shown.beside ? (i === 0 ? 'before' : 'after') : 'loss of each token')
  const html = parts.map((one, i) => {
    const earlier = i === 1 ? shown.beside : undefined
    return `<div style="flex:1;min-width:320px"><b>${title(i)}</b>, ${formatNumber(one.mean_loss)} in the mean${tokensHtml(tokensOf(one, earlier))}</div>`
  })
  const legend = [0.2, 2, 6].map((loss) => swatch(lossColor(loss), `${loss}`)).join('')
  const rows = shown.tokens.map((token, i) => {
    const figures = parts.map(({ losses }) => (i === 0 ? '' : losses[i]!.toFixed(2)).padStart(7))
    return `${figures.join(' ')}  ${JSON.stringify(token)}`
  })
  return {
    'text/html': `<div style="display:flex;gap:24px;flex-wrap:wrap">${html.join('')}</div><div style="margin-top:4px;font-size:12px">loss in nats: ${legend}</div>`,
    'text/plain': [
      parts.map((one, i) => `${title(i)}: ${formatNumber(one.mean_loss)} in the mean`).join(', '),
      ...rows,
    ].join('\n'),
  }
}

function tokensOf(
  { tokens, losses, input_ids }: TokenLosses,
  earlier: TokenLosses | undefined,
): ShownToken[] {
  return tokens.map((text, i) => {
    const loss = losses[i]!
    const before = earlier ? `, before ${formatNumber(earlier.losses[i]!)}` : ''
    const hint =
      i === 0
        ? `id ${input_ids[i]}: nothing predicts it`
        : `id ${input_ids[i]}, loss ${formatNumber(loss)} (p ${formatNumber(Math.exp(-loss))})${before}`
    return { text, hint, color: i === 0 ? undefined : lossColor(loss) }
  })
}
