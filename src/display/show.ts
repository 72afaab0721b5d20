import { inspect } from 'node:util'
import { displayMethod } from './rich-display'
import { detectOutput, type MimeBundle, type Output } from './output'
import { loadPlotly } from './loss-chart'
import { plotlyMime, withFigure } from './plotly-figure'
import { tableBundle, type TableRow } from './table'
import { checkNames } from '../options/parse'

/** A displayed value. */
export interface DisplayHandle {
  /** Displays another value in its place. */
  update(value: unknown): Promise<void>
}

/**
 * Displays a value where this code runs: in a notebook's cell in its richest form, in a terminal as text. A
 * MIME bundle (`{ 'text/html': ..., 'text/plain': ... }`, with bytes for images) is displayed as it is, records
 * as a table, and other values as themselves.
 */
export async function display(value: unknown, options: { output?: Output } = {}): Promise<DisplayHandle> {
  checkNames<{ output?: Output }>('display', options, ['output'])
  const { output = detectOutput() } = options
  const bundle = await bundleOf(value)
  if (plotlyMime in bundle) loadPlotly(output)
  const handle = output.show(bundle)
  const shown: DisplayHandle = { update: async (next) => handle.update(await bundleOf(next)) }
  // As a cell's last value, the handle itself displays nothing.
  return Object.defineProperty(shown, displayMethod, { value: () => ({}) })
}

/** The value's own bundle, or the best one that can be made. */
export async function bundleOf(value: unknown): Promise<MimeBundle> {
  if (typeof value === 'string') return { 'text/plain': value }
  if (typeof value === 'object' && value !== null) {
    const own: unknown = (value as Record<symbol, unknown>)[displayMethod]
    if (typeof own === 'function') return withText((await own.call(value)) as Partial<MimeBundle>, value)
    if (isBundle(value)) return withText(withFigure(value), Object.keys(value))
    if (isRecords(value)) return tableBundle(value)
  }
  return { 'text/plain': inspect(value, { depth: 4, breakLength: 100 }) }
}

function withText(bundle: Partial<MimeBundle>, value: unknown): MimeBundle {
  return { ...bundle, 'text/plain': bundle['text/plain'] ?? inspect(value) }
}

function isBundle(value: object): value is Partial<MimeBundle> {
  const names = Object.keys(value)
  return names.length > 0 && names.every((name) => /^[\w.+-]+\/[\w.+-]+$/.test(name))
}

function isRecords(value: object): value is TableRow[] {
  return Array.isArray(value) && value.length > 0 && value.every((row: unknown) => isPlain(row))
}

function isPlain(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}
