import { inspect, types } from 'node:util'
import { encode, type Content } from './display'
import { imageOf } from './image'
import type { Bundle } from './messages'
import { htmlTable, isRecords, textTable } from './records'

/** A value's method of this name gives its MIME bundle, at once or as a promise; Deno's kernel asks it too. */
export const displayMethod: unique symbol = Symbol.for('Jupyter.display')

/** Turns an Error into text: the cells' own lines, no internal frames. */
export type Describe = (error: unknown) => string

/** Characters of `text/plain`; more would flood the notebook and its file. */
const maxText = 20_000
const depths = [1, 2, 4]

/** The forms of a cell's last value, as far as they are there at once. */
export function render(value: unknown, describe: Describe = plain): Bundle {
  const own = ownForms(value)
  if (isNothing(own)) return {}
  return isBundle(own) ? withText(own, value) : commonForms(value, describe)
}

/** The forms of a cell's last value; a promise when the value's own method gives one. */
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

/** The value as `util.inspect` shows it, as deep as it stays short; also when its own inspection throws. */
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
  // What fits on a line is clearest as it was written.
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

/** A bundle without forms: the value wants nothing shown. */
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
