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
  sideOutputs: { path: string; data: string }[]
  userExpressions: Record<string, string>
  allowStdin: boolean
}

export type ToRunner =
  | { type: 'run'; request: RunRequest }
  | { type: 'interrupt'; run: number; sequence: number }
  | { type: 'abandon'; run: number }
  | { type: 'ping'; sequence: number }

export type RunEvent =
  | { type: 'stream'; run: number; name: 'stdout' | 'stderr'; text: string }
  | { type: 'display'; run: number; data: Bundle; id?: string | undefined; update: boolean }
  | { type: 'clear'; run: number; wait: boolean }
  | { type: 'result'; run: number; data: Bundle }
  | { type: 'input'; run: number; prompt: string; password: boolean }

export interface RunOutcome {
  error?: Failure | undefined
  userExpressions: Record<string, unknown>
}

export type FromRunner =
  | RunEvent
  | { type: 'done'; run: number; outcome: RunOutcome }
  | { type: 'interrupted'; sequence: number; patient: boolean }
  | { type: 'pong'; sequence: number }

/** Int32 slots shared between main and the runner. */
export const slots = { interrupt: 0, input: 1 } as const
