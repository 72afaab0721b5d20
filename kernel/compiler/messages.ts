import type { Completeness } from './completeness'

export type Compiled =
  | {
      ok: true
      code: string
      lines: number[]
      lastExpression?: string | undefined
      sideOutputs: { path: string; data: string }[]
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
