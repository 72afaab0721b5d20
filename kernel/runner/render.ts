import { inspect, types } from 'node:util'
import { encode, type Content } from './display'
import { imageOf } from './image'
import type { Bundle } from './messages'
import { htmlTable, isRecords, textTable } from './records'

/** A value's method of this name returns its MIME bundle, directly or as a promise; Deno's kernel uses it too. */
export const displayMethod: unique symbol = Symbol.for('Jupyter.display')

/** Converts an Error to text: the cells' own lines, without internal frames. */
export type Describe = (error: unknown) => string

/** The most characters of `text/plain`; more would flood the notebook and its file. */
const maxText = 20_000
const depths = [1, 2, 4]

/** The forms of a cell's last value that are available at once. */
export function render(value: unknown, describe: Describe = plain): Bundle {
  const own = ownForms(value)
  if (isNothing(own)) return {}
  return isBundle(own) ? withText(own, value) : commonForms(value, describe)
}

/** The forms of a cell's last value; a promise if the value's own method returns one. */
export function renderFully(value: unknown, describe: Describe = plain): Bundle | Promise<Bundle> {
  const own = ownForms(value)
  if (own instanceof Promise) {
    return own.then(
      (bundle: unknown) => (isBundle(bundle) ? withText(bundle, value) : commonForms(value, describe)),
      (error: unknown) => failing(value, error),
    )
  }
  if (isNothing(own)) return {}
  return isBundle(own) ? withText(own, value) : commonForms(value, describe)
}

/**
 * The value as `util.inspect` shows it, as deep as the text stays short; also works if its own inspection
 * throws.
 */
export function plain(value: unknown): string {
  try {
    let text = ''
    for (const depth of depths) {
      text = inspect(value, { depth, maxArrayLength: 100, maxStringLength: 10_000, breakLength: 100 })
      if (text.length > maxText || !/\[\w/.test(text)) break
    }
    return shortened(text)
  } catch (error) {
    return `[value whose inspection throws: ${String(error)}]`
  }
}

function commonForms(value: unknown, describe: Describe): Bundle {
  const image = value instanceof Uint8Array ? imageOf(value) : undefined
  if (image) return image
  if (isError(value)) return { 'text/plain': describe(value) }
  const text = plain(value)
  if (!isRecords(value)) return { 'text/plain': text }
  // A value that fits on one line is kept on one line.
  return {
    'text/plain': text.includes('\n') ? textTable(value, plain) : text,
    'text/html': htmlTable(value, plain),
  }
}

function ownForms(value: unknown): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return undefined
  try {
    const method = (value as Record<symbol, unknown>)[displayMethod]
    return typeof method === 'function' ? (method.call(value) as unknown) : undefined
  } catch (error) {
    return failing(value, error)
  }
}

function failing(value: unknown, error: unknown): Bundle {
  return { 'text/plain': `${plain(value)}\n[its display failed: ${String(error)}]` }
}

function withText(bundle: Record<string, Content>, value: unknown): Bundle {
  const text = bundle['text/plain'] ?? plain(value)
  return encode({ ...bundle, 'text/plain': typeof text === 'string' ? shortened(text) : text })
}

/** A bundle without forms: nothing should be shown for the value. */
const isNothing = (own: unknown): boolean =>
  typeof own === 'object' && own !== null && !(own instanceof Promise) && Object.keys(own).length === 0

function isBundle(value: unknown): value is Record<string, Content> {
  if (typeof value !== 'object' || value === null || value instanceof Promise) return false
  const names = Object.keys(value)
  return names.length > 0 && names.every((name) => /^[\w.+-]+\/[\w.+-]+$/.test(name))
}

export function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error
}

export function shortened(text: string): string {
  if (text.length <= maxText) return text
  return `${text.slice(0, maxText)}\n... ${text.length - maxText} more characters`
}
