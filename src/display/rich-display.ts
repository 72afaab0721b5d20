import { inspect, type InspectOptions } from 'node:util'
import type { MimeBundle } from './output'

/** How the values of a class are displayed. */
export interface Look<T> {
  /** In a terminal, in a log, and as a cell's result if there is no richer form. */
  text: (value: T) => string
  /** Inside another value. Default: `text`. */
  short?: (value: T) => string
  /** As a cell's result. */
  bundle?: (value: T) => MimeBundle | Promise<MimeBundle>
}

/** The method with which our kernel and Deno's get a value's MIME bundle. */
export const displayMethod: unique symbol = Symbol.for('Jupyter.display')

/**
 * Defines how an object, or all objects with a prototype, are displayed; it does not appear among their
 * properties.
 */
export function setLook<T extends object>(target: T, { text, short = text, bundle }: Look<T>): void {
  const inspected = function (this: T, depth: number | null, options: InspectOptions): string {
    return (depth === (options.depth ?? null) ? text : short)(this)
  }
  const displayed = function (this: T): MimeBundle | Promise<MimeBundle> {
    return bundle ? bundle(this) : { 'text/plain': text(this) }
  }
  Object.defineProperties(target, {
    [inspect.custom]: { value: inspected, configurable: true, writable: true },
    [displayMethod]: { value: displayed, configurable: true, writable: true },
  })
  // For templates: `${model}`, like Python's f-strings. A class with its own toString keeps it.
  if (Object.hasOwn(target, 'toString')) return
  const toText = function (this: T): string {
    return text(this)
  }
  Object.defineProperty(target, 'toString', { value: toText, configurable: true, writable: true })
}
