import type { SideOutput } from '../compiler/messages'

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
  /** A parenthesized function expression over `parameters` (parameters.ts). */
  code: string
  lines: number[]
  /** The cell as it was written. */
  source?: string | undefined
  lastExpression?: string | undefined
  silent: boolean
  /** Packages that the code requires. */
  imports?: string[] | undefined
  sideOutputs: SideOutput[]
  userExpressions: Record<string, string>
  allowStdin: boolean
}

export type CommKind = 'comm_open' | 'comm_msg' | 'comm_close'

/** A comm message in either direction; `content` is that of the wire. */
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
  /** The process was asked to end, and something in the thread listens to that. */
  | { type: 'terminate' }
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
  /** Call `look` every `every` seconds; undefined: no longer. */
  | { type: 'watch'; watch: number; every: number | undefined }
  | { type: 'done'; run: number; outcome: RunOutcome }
  /** `stopping`: something listens to SIGINT, and the cell may end in its own time. */
  | { type: 'interrupted'; sequence: number; stopping: boolean }
  /** The cell continues by itself after such an interrupt. */
  | { type: 'moved'; sequence: number }
  | { type: 'pong'; sequence: number }

/** Messages from the kernel to the process that runs the cells. */
export type ToHost =
  | { type: 'run' | 'live'; request: RunRequest }
  | { type: 'comm'; message: CommMessage }
  | { type: 'interrupt' }
  | { type: 'input'; value: string }
  /** A command of V8's inspector protocol; and an event of it to subscribe to. */
  | { type: 'inspect'; id: number; method: string; params: object }
  | { type: 'listen'; event: string }

/** Why the cells' thread has ended: `process.exit` in a cell, or a full heap. */
export type EndReason = 'exit' | 'memory'

export type FromHost =
  /** The heap's limit in MB. */
  | { type: 'ready'; heapLimit: number }
  | { type: 'event'; event: RunEvent }
  | { type: 'over'; run: number; outcome: RunOutcome }
  | { type: 'inspected'; id: number; result?: unknown; error?: string }
  | { type: 'heard'; event: string; params: unknown }
  | { type: 'ended'; reason: EndReason; code: number }

/** The name of a cell's script, in stacks and for breakpoints. */
export const cellUrl = (cell: number): string => `cell-${cell}.ts`

/** Int32 slots shared by the main thread and the runner; `ending` counts the SIGTERM listeners. */
export const slots = { interrupt: 0, input: 1, ending: 2 } as const

/** Milliseconds that the cells' process has to save its work when it is asked to end. */
export const savingTime = 30_000
