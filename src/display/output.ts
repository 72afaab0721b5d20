/**
 * One output in several forms: MIME type to content, with bytes for binary types. `text/plain` is always
 * present.
 */
export interface MimeBundle {
  'text/plain': string
  [mime: string]: string | Uint8Array
}

/** An output that can be replaced in place. */
export interface Handle {
  update(bundle: MimeBundle): void
}

/** Where results are shown. */
export interface Output {
  /** `rich`: a notebook cell; `tty`: an interactive terminal; `plain`: a pipe or a file. */
  readonly kind: 'rich' | 'tty' | 'plain'
  /** Whether one output can have several forms at once; stock tslab shows one MIME type per output. */
  readonly bundles: boolean
  /** The stream of `tty` and `plain`. */
  readonly stream?: OutputStream
  show(bundle: MimeBundle): Handle
}

export type OutputStream = NodeJS.WritableStream & { isTTY?: boolean }

/** A kernel that accepts whole MIME bundles sets this on `globalThis[Symbol.for('qlora.display')]`. */
export interface DisplayHook {
  /** Shows the bundle in the running cell and returns a display id. */
  display(bundle: MimeBundle): string
  update(id: string, bundle: MimeBundle): void
}

interface TslabDisplay {
  raw(mime: string, content: string | Uint8Array): void
}

interface Tslab {
  newDisplay(): TslabDisplay
}

export const hookSymbol: symbol = Symbol.for('qlora.display')

// The richest form first; tslab sends one MIME type per message.
const preference = ['text/html', 'image/png', 'image/svg+xml', 'text/markdown', 'text/plain']

/** The output where this code runs: a kernel with our hook, stock tslab, a terminal, or a plain stream. */
export function detectOutput(stream: OutputStream = process.stdout): Output {
  const hook = (globalThis as Record<symbol, unknown>)[hookSymbol]
  if (isHook(hook)) return hookOutput(hook)
  const tslab = runningTslab()
  if (tslab) return tslabOutput(tslab)
  return streamOutput(stream)
}

/** Output on a stream: the text form of each value on a line. */
export function streamOutput(stream: OutputStream): Output {
  const print = (bundle: MimeBundle): void => void stream.write(bundle['text/plain'] + '\n')
  return {
    kind: stream.isTTY ? 'tty' : 'plain',
    bundles: false,
    stream,
    show(bundle) {
      print(bundle)
      return { update: print }
    },
  }
}

function hookOutput(hook: DisplayHook): Output {
  return {
    kind: 'rich',
    bundles: true,
    show(bundle) {
      const id = hook.display(bundle)
      return { update: (next) => hook.update(id, next) }
    },
  }
}

function tslabOutput(tslab: Tslab): Output {
  return {
    kind: 'rich',
    bundles: false,
    show(bundle) {
      const display = tslab.newDisplay()
      const send = (next: MimeBundle): void => {
        const mime = preference.find((name) => next[name] !== undefined) ?? 'text/plain'
        display.raw(mime, next[mime]!)
      }
      send(bundle)
      return { update: send }
    },
  }
}

/**
 * The tslab that runs this process. Its executor stores the cells' `require` in `globalThis.__tslab__`; a plain
 * `require('tslab')` could load a second copy, which is not connected to the notebook.
 */
function runningTslab(): Tslab | undefined {
  const cells = (globalThis as { __tslab__?: { require?: unknown } }).__tslab__
  if (typeof cells?.require !== 'function') return undefined
  const tslab = (cells.require as (name: string) => Partial<Tslab>)('tslab')
  return typeof tslab.newDisplay === 'function' ? (tslab as Tslab) : undefined
}

function isHook(value: unknown): value is DisplayHook {
  const hook = value as Partial<DisplayHook> | undefined
  return typeof hook?.display === 'function' && typeof hook.update === 'function'
}
