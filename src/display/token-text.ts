import type { PreTrainedTokenizer } from '../data/tokenizer'
import { escapeHtml } from './format'

/** A token as it is shown. */
export interface ShownToken {
  text: string
  /** Background, a CSS colour that light and dark themes bear; undefined: none. */
  color?: string | undefined
  /** Shown when the pointer is on it. */
  hint: string
  /** Struck through less: grey letters. */
  dim?: boolean | undefined
  /** A line goes down before it. */
  begins?: boolean | undefined
  /** A frame around it. */
  framed?: boolean | undefined
}

/** The texts of tokens one by one: spaces at the beginning of a word are kept, half characters stay as the vocabulary writes them. */
export async function tokenTexts(tokenizer: PreTrainedTokenizer, ids: ArrayLike<number>): Promise<string[]> {
  const texts: string[] = []
  for (const id of Array.from(ids)) {
    const token = tokenizer.convert_ids_to_tokens(id) ?? `<${id}>`
    const text = await tokenizer.decode([id], { skip_special_tokens: false })
    const whole = text === '' || text.includes('\ufffd') ? token : text
    texts.push(token.startsWith('\u2581') && !whole.startsWith(' ') ? ` ${whole}` : whole)
  }
  return texts
}

/** Coloured text: line breaks are shown and made. */
export function tokensHtml(tokens: readonly ShownToken[]): string {
  const spans = tokens.map(({ text, color, hint, dim, begins, framed }) => {
    const shown = escapeHtml(text).replace(/\n/g, '\u21b5\n')
    const style = [
      color && `background:${color}`,
      dim && 'opacity:.5',
      begins && 'border-left:3px solid #d65f5f;padding-left:3px;margin-left:3px',
      framed && 'outline:1.5px solid currentColor;outline-offset:-1px',
    ].filter(Boolean)
    return `<span title="${escapeHtml(hint)}"${style.length > 0 ? ` style="${style.join(';')}"` : ''}>${shown}</span>`
  })
  return `<div style="white-space:pre-wrap;font-family:monospace;font-size:13px;line-height:1.7;max-width:1000px">${spans.join('')}</div>`
}

/** A small coloured box with words, for what the colours mean. */
export function swatch(color: string, words: string): string {
  return `<span style="background:${color};padding:0 6px;margin-right:10px">${escapeHtml(words)}</span>`
}
