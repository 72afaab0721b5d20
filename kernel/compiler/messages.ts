import type { Completeness } from './completeness'
import type { DeclarationChange } from './declaration-list'

/** The JavaScript of a new or changed helper file. */
export interface SideOutput {
  /** Path of the source file. */
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
      change?: DeclarationChange
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

export type CompilerRequest = { sequence: number } & (
  | { type: 'convert' | 'is_complete'; code: string }
  | { type: 'complete' | 'inspect'; code: string; position: number }
  | { type: 'forget' }
)

export interface CompilerReply {
  sequence: number
  result?: Compiled | Completion | Inspection | Completeness | undefined
  error?: string
}
