import type { SideOutput } from '../compiler/messages'

/** What the threads say to each other about running cells. */
export type Bundle = Record<string, string>

export interface Failure {
  ename: string
  evalue: string
  traceback: string[]
}

export interface RunRequest {
  id: number
  /** The execution count, for messages. */
  cell: number
  /** A parenthesized function expression over `parameters` in executor.ts. */
  code: string
  lines: number[]
  lastExpression?: string | undefined
  silent: boolean
  /** Packages that the code requires. */
  imports?: string[] | undefined
  sideOutputs: SideOutput[]
  userExpressions: Record<string, string>
  allowStdin: boolean
}

export type CommKind = 'comm_open' | 'comm_msg' | 'comm_close'

/** A comm message, either way; `content` is the wire's. */
export interface CommMessage {
  run: number
  kind: CommKind
  content: Record<string, unknown>
  metadata: Record<string, unknown>
  buffers: Uint8Array[]
}

export type ToRunner =
  | { type: 'run'; request: RunRequest }
  | { type: 'interrupt'; run: number; sequence: number }
  | { type: 'abandon'; run: number }
  | { type: 'ping'; sequence: number }
  | { type: 'comm'; message: CommMessage }
  | { type: 'live'; request: RunRequest }

export type RunEvent =
  | { type: 'stream'; run: number; name: 'stdout' | 'stderr'; text: string }
  | { type: 'display'; run: number; data: Bundle; id?: string | undefined; update: boolean }
  | { type: 'clear'; run: number; wait: boolean }
  | { type: 'result'; run: number; data: Bundle }
  | { type: 'input'; run: number; prompt: string; password: boolean }
  | { type: 'comm'; run: number; message: CommMessage }

export interface RunOutcome {
  error?: Failure | undefined
  userExpressions: Record<string, unknown>
}

export type FromRunner =
  | RunEvent
  | { type: 'began'; run: number }
  /** `look` is to be called every so many seconds; undefined: no more. */
  | { type: 'watch'; watch: number; every: number | undefined }
  | { type: 'done'; run: number; outcome: RunOutcome }
  | { type: 'interrupted'; sequence: number; patient: boolean }
  | { type: 'pong'; sequence: number }

/** The name of a cell's script, in stacks and for breakpoints. */
export const cellUrl = (cell: number): string => `cell-${cell}.ts`

/** Int32 slots shared between main and the runner. */
export const slots = { interrupt: 0, input: 1 } as const
