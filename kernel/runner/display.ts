import { randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import type { Bundle } from './messages'

/** Sends a display; with `update`, replaces the display with this id. */
export type Show = (data: Bundle, id: string | undefined, update: boolean) => void
export type Clear = (wait: boolean) => void

/** The name of the symbol (Symbol.for) that the library looks for. */
export const hookName = 'qlora.display'
export const signalName = 'qlora.interrupt'
/** Passes the server's id of the kernel on to the process that runs the cells. */
export const kernelIdVariable = 'QLORA_KERNEL_ID'

/** Text, bytes, or for a JSON type the value itself. */
export type Content = string | Uint8Array | object

const names = {
  javascript: 'text/javascript',
  html: 'text/html',
  markdown: 'text/markdown',
  latex: 'text/latex',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  pdf: 'application/pdf',
  text: 'text/plain',
} as const

type TslabDisplay = { [name in keyof typeof names]: (content: Content) => void } & {
  raw(mime: string, content: Content): void
}

/** `globalThis[Symbol.for('qlora.display')]`: whole MIME bundles, and updates of them; what a panel in a browser needs. */
export interface DisplayHook {
  /** The server's id of this kernel, by which a page reaches it; undefined where the connection file does not tell. */
  readonly kernel_id: string | undefined
  /** `kernel.comms` of the cells. */
  readonly comms: object
  display(bundle: Record<string, Content>): string
  update(id: string, bundle: Record<string, Content>): void
  clear(wait?: boolean): void
}

export function displayHook(show: Show, clear: Clear, comms: object): DisplayHook {
  return {
    kernel_id: process.env[kernelIdVariable] || undefined,
    comms,
    display(bundle) {
      const id = newId()
      show(encode(bundle), id, false)
      return id
    },
    update: (id, bundle) => show(encode(bundle), id, true),
    clear: (wait = false) => clear(wait),
  }
}

/** The result of `require('tslab')` in a cell: tslab's public API, implemented by this kernel. */
export function tslabApi(show: Show): object {
  const make = (id?: string): TslabDisplay => {
    let shown = false
    const raw = (mime: string, content: Content): void => {
      show(encode({ [mime]: content }), id, id !== undefined && shown)
      shown = true
    }
    const each = Object.entries(names).map(([name, mime]) => [name, (content: Content) => raw(mime, content)])
    return { ...Object.fromEntries(each), raw } as TslabDisplay
  }
  return { versions: versions(), display: make(), newDisplay: () => make(newId()) }
}

function versions(): Record<string, string> {
  const load = createRequire(__filename)
  const version = (name: string): string => (load(`${name}/package.json`) as { version: string }).version
  return {
    tslab: version('tslab'),
    typescript: version('typescript'),
    node: process.version,
  }
}

/** The bundle as the threads send it: bytes in base64, JSON values as JSON text. */
export function encode(bundle: Record<string, Content>): Bundle {
  return Object.fromEntries(Object.entries(bundle).map(([mime, content]) => [mime, encoded(content)]))
}

function encoded(content: Content): string {
  if (typeof content === 'string') return content
  if (content instanceof Uint8Array) return Buffer.from(content).toString('base64')
  return JSON.stringify(content)
}

const newId = (): string => randomBytes(8).toString('hex')
