import type { Completeness } from './completeness'

/** JavaScript of a helper file that is new or has changed. */
export interface SideOutput {
  /** Of the source file. */
  path: string
  data: string
  imports?: string[]
  lines?: number[]
}

export type Compiled =
  | {
      ok: true
      code: string
      lines: number[]
      lastExpression?: string | undefined
      /** Packages that the code requires. */
      imports?: string[]
      sideOutputs: SideOutput[]
    }
  | { ok: false; message: string; diagnostics: string[] }

export interface Completion {
  start: number
  end: number
  candidates: string[]
}

export interface Inspection {
  found: boolean
  text: string
}

export type CompilerRequest = { sequence: number; code: string } & (
  { type: 'convert' | 'is_complete' } | { type: 'complete' | 'inspect'; position: number }
)

export interface CompilerReply {
  sequence: number
  result?: Compiled | Completion | Inspection | Completeness | undefined
  error?: string
}
