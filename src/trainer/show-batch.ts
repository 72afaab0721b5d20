import type { PreTrainedTokenizer } from '../data/tokenizer'
import { escapeHtml } from '../display/format'
import { detectOutput, type MimeBundle, type Output } from '../display/output'
import { displayMethod } from '../display/rich-display'
import { swatch, tokensHtml, tokenTexts, type ShownToken } from '../display/token-text'
import type { PackedBatch } from '../models/batch'
import { checkNames } from '../options/parse'
import type { Trainer } from './trainer'

export interface ShowBatchOptions {
  /** Number of the batch in the first epoch. Default 0, the one that training begins with. */
  index?: number
  /** Sequences that are shown. Default 4. */
  max_rows?: number
  output?: Output
}

const learned = 'rgba(106,204,100,.35)'

/**
 * Shows a batch as training sees it, before the first step: which tokens are learned, which are masked, what shares a packed row,
 * where the end tokens are, and what looks wrong.
 * @returns the warnings
 * @throws RangeError when there is no such batch.
 */
export async function show_batch(trainer: Trainer, options: ShowBatchOptions = {}): Promise<string[]> {
  checkNames<ShowBatchOptions>('show_batch', options, ['index', 'max_rows', 'output'])
  const { index = 0, max_rows = 4, output = detectOutput() } = options
  const { count, at } = await trainer.train_batches()
  if (!Number.isInteger(index) || index < 0 || index >= count)
    throw new RangeError(`[show_batch] index ${index}: the epoch has ${count} batches, 0 to ${count - 1}`)
  const { rows, collated } = at(index)
  const { processing_class: tokenizer, args } = trainer
  const ends = endIds(trainer)
  const { max_length: maxLength } = args as { max_length?: number | null }
  const warnings = warningsOf(collated, tokenizer, ends, maxLength ?? undefined)
  const title = titleOf(collated, rows, index, count)
  const parts = await sequencesOf(collated, rows, tokenizer, ends, max_rows)
  output.show(bundleOf(title, parts, warnings, collated.cu_seqlens.length - 1 - parts.length))
  // As a cell's last value they show nothing a second time.
  return Object.defineProperty(warnings, displayMethod, { value: () => ({}) })
}

/** One sequence as it is shown. */
interface Part {
  heading: string
  tokens: ShownToken[]
}

function titleOf(
  { input_ids, labels, position_ids }: PackedBatch,
  rows: number[],
  index: number,
  batches: number,
): string {
  const learnedTokens = labels.reduce(
    (n, label, i) => n + (label !== -100 && position_ids[i]! > 0 ? 1 : 0),
    0,
  )
  const share = Math.round((100 * learnedTokens) / input_ids.length)
  return `Batch ${index + 1} of ${batches}: ${rows.length} ${rows.length === 1 ? 'row' : 'rows'}, ${input_ids.length} tokens, ${learnedTokens} of them learned (${share}%)`
}

async function sequencesOf(
  { input_ids, labels, cu_seqlens }: PackedBatch,
  rows: number[],
  tokenizer: PreTrainedTokenizer,
  ends: ReadonlySet<number>,
  most: number,
): Promise<Part[]> {
  const parts: Part[] = []
  let [row, within, first] = [0, 0, 0]
  for (let s = 0; s + 1 < cu_seqlens.length && s < most; s++) {
    const [begin, end] = [cu_seqlens[s]!, cu_seqlens[s + 1]!]
    const packedWith = rows[row]! > end - begin
    const ids = input_ids.subarray(begin, end)
    const texts = await tokenTexts(tokenizer, ids)
    const tokens = texts.map((text, i): ShownToken => {
      const isLearned = labels[begin + i] !== -100 && i > 0
      const isEnd = ends.has(ids[i]!)
      const state =
        i === 0 && labels[begin] !== -100
          ? 'first token: nothing predicts it'
          : isLearned
            ? 'learned'
            : 'masked: not learned'
      return {
        text,
        hint: `id ${ids[i]}, place ${i}, ${state}${isEnd ? ', end token' : ''}`,
        color: isLearned ? learned : undefined,
        dim: !isLearned,
        framed: isEnd,
        begins: i === 0 && within > 0,
      }
    })
    const place = packedWith ? `, packed in row ${row + 1} (${rows[row]} tokens)` : ''
    parts.push({ heading: `sequence ${s + 1}: ${end - begin} tokens${place}`, tokens })
    within += 1
    first += end - begin
    if (first >= rows[row]!) [row, within, first] = [row + 1, 0, 0]
  }
  return parts
}

/** What ends an answer: the tokenizer's end token and those of the model's configuration. */
function endIds({ processing_class: { eos_token_id }, model }: Trainer): Set<number> {
  const { config, generation_config } = model.base_model
  const given = [eos_token_id, config.eos_token_id, generation_config['eos_token_id']].flat()
  return new Set(given.filter((id): id is number => typeof id === 'number' && id >= 0))
}

/** What looks wrong in a batch. */
function warningsOf(
  { input_ids, labels, cu_seqlens }: PackedBatch,
  { bos_token_id: bos, bos_token, eos_token_id: eos, eos_token }: PreTrainedTokenizer,
  ends: ReadonlySet<number>,
  maxLength: number | undefined,
): string[] {
  const count = (test: (ids: Int32Array, own: Int32Array) => boolean): number => {
    let n = 0
    for (let s = 0; s + 1 < cu_seqlens.length; s++) {
      const [begin, end] = [cu_seqlens[s]!, cu_seqlens[s + 1]!]
      if (test(input_ids.subarray(begin, end), labels.subarray(begin, end))) n++
    }
    return n
  }
  const all = cu_seqlens.length - 1
  const of = (n: number): string => `${n} of ${all} ${all === 1 ? 'sequence' : 'sequences'}`
  const silent = count((_, own) => own.every((label, i) => i === 0 || label === -100))
  const endless = count((ids, own) => !ids.some((id, i) => ends.has(id) && own[i] !== -100))
  const doubled = bos === null || bos === eos ? 0 : count((ids) => ids[0] === bos && ids[1] === bos)
  const cut = maxLength === undefined ? 0 : count((ids) => ids.length === maxLength && !ends.has(ids.at(-1)!))
  return [
    silent > 0 &&
      `${of(silent)}: no token is learned. Is the answer cut off, or its mark in the template another one?`,
    endless > 0 &&
      endless > silent &&
      `${of(endless)}: no end token (${eos_token}) is learned; the model may not learn to stop`,
    doubled > 0 &&
      `${of(doubled)}: two begin tokens ${bos_token} one after the other: template and tokenizer both add one`,
    cut > 0 && `${of(cut)}: cut at max_length ${maxLength}`,
  ].filter((text) => text !== false)
}

function bundleOf(
  title: string,
  parts: readonly Part[],
  warnings: readonly string[],
  more: number,
): MimeBundle {
  const rest = more > 0 ? [`... ${more} more ${more === 1 ? 'sequence' : 'sequences'}`] : []
  const html = parts.map(
    ({ heading, tokens }) => `<div style="margin-top:8px"><i>${heading}</i>${tokensHtml(tokens)}</div>`,
  )
  const plain = parts.map(({ heading, tokens }) => {
    const text = tokens.map((token) => (token.color ? token.text : `\u2039${token.text}\u203a`)).join('')
    return `${heading}\n${text.replaceAll('\u203a\u2039', '')}`
  })
  const notes = warnings.map(
    (text) =>
      `<div style="border-left:4px solid #e0a030;padding-left:8px;margin-top:4px">${escapeHtml(text)}</div>`,
  )
  return {
    'text/html':
      `<div style="font:13px sans-serif"><b>${title}</b><div style="margin:4px 0">${swatch(learned, 'learned')}<span style="opacity:.5;margin-right:10px">masked</span><span style="outline:1.5px solid currentColor;margin-right:10px">end token</span></div>` +
      `${notes.join('')}${html.join('')}${rest.map((text) => `<p>${text}</p>`).join('')}</div>`,
    'text/plain': [
      title + '; \u2039masked\u203a',
      ...warnings.map((text) => `warning: ${text}`),
      ...plain,
      ...rest,
    ].join('\n'),
  }
}
