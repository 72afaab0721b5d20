import { fileURLToPath } from 'node:url'
import type { Inspector } from '../runner/inspector'
import type { CallFrame, Paused } from './messages'
import { cellLine, internalPatterns, isInternal, type Sources } from './sources'

export interface Frame {
  id: number
  name: string
  /** Counted from 1. */
  line: number
  path: string
  /** The cell that contains the frame, by its URL. */
  cell: string | undefined
  call: CallFrame
}

type Step = 'stepOver' | 'stepInto' | 'stepOut'

export interface StopsOptions {
  inspector: Inspector
  sources: Sources
  stopped: (reason: string, text: string | undefined) => void
  continued: () => void
}

/** Where the thread is stopped, and steps from there, line by line of the cells. */
export class Stops {
  frames: Frame[] | undefined
  private reason: 'step' | 'pause' | undefined
  private step: { kind: Step; from: Frame | undefined; depth: number } | undefined
  private released = false
  /** Number of all frames on the stack. */
  private depth = 0
  private lastFrame = 0

  constructor(private readonly options: StopsOptions) {
    options.inspector.on<Paused>('Debugger.paused', (paused) => this.paused(paused))
    options.inspector.on('Debugger.resumed', () => {
      const were = this.frames
      this.frames = undefined
      if (were) options.continued()
    })
  }

  frame(id: unknown): Frame {
    const frame = this.frames?.find((found) => found.id === id)
    if (!frame) throw new Error(`frameId ${String(id)}: no such frame, or the thread has gone on`)
    return frame
  }

  /** Whether steps skip code that is not the user's. */
  async passInternals(pass: boolean): Promise<void> {
    await this.options.inspector.post('Debugger.setBlackboxPatterns', {
      patterns: pass ? internalPatterns : [],
    })
  }

  async pause(): Promise<void> {
    this.reason = 'pause'
    // V8 loses a pause that is requested while a skipped function runs, such as the check in every loop.
    await this.passInternals(false)
    await this.options.inspector.post('Debugger.pause')
  }

  async resume(): Promise<void> {
    this.step = this.reason = undefined
    if (this.frames) await this.options.inspector.post('Debugger.resume')
  }

  async go(kind: Step): Promise<void> {
    if (!this.frames) throw new Error(`${kind}: the thread is not stopped`)
    this.reason = 'step'
    this.step = { kind, from: this.frames[0], depth: this.depth }
    await this.options.inspector.post(`Debugger.${kind}`)
  }

  restarted(): void {
    const were = this.frames
    this.frames = this.step = this.reason = undefined
    this.released = false
    if (were) this.options.continued()
  }

  /** After an interrupt: nothing stops the cell until it has ended. */
  async release(): Promise<void> {
    this.released = true
    await this.options.inspector.post('Debugger.setSkipAllPauses', { skip: true })
    await this.resume()
  }

  /** Before a cell runs: an interrupt of the previous cell must not prevent it from stopping. */
  async begins(): Promise<void> {
    if (!this.released) return
    this.released = false
    await this.options.inspector.post('Debugger.setSkipAllPauses', { skip: false })
  }

  /** The cell has ended: a step past its end does not stop anywhere. */
  async ended(): Promise<void> {
    const { reason } = this
    this.step = this.reason = undefined
    if (reason === 'pause') await this.passInternals(true)
    await this.begins()
  }

  private paused({ callFrames, reason, data, hitBreakpoints = [] }: Paused): void {
    const all = callFrames.map((call) => this.read(call))
    const top = all[0]
    const isBreakpoint = hitBreakpoints.length > 0
    const isException = reason === 'exception' || reason === 'promiseRejection'
    const between = top?.cell !== undefined && top.line === 0
    if (this.reason === 'pause') void this.passInternals(true).catch(() => {})
    const isStale = reason === 'step' && this.reason === undefined
    if (this.released || isStale) return this.proceed('resume')
    // No code of the user is running: the pause happens when some does.
    if (all.every(({ path }) => path === ''))
      return this.proceed(this.reason === 'pause' ? 'stepInto' : 'resume')
    if (top?.path === '' && !isException) return this.proceed('stepOut')
    const { step } = this
    const isSameLine = step !== undefined && !isBreakpoint && this.isSameLine(step, top!, callFrames.length)
    if (!isException && (between || isSameLine)) {
      if (step && !between) step.from = top
      return this.proceed(step && step.kind !== 'stepOut' ? step.kind : 'stepOver')
    }
    this.frames = all.filter(({ path }) => path !== '')
    this.depth = callFrames.length
    this.step = undefined
    const told = isException ? 'exception' : isBreakpoint ? 'breakpoint' : (this.reason ?? 'breakpoint')
    this.reason = undefined
    this.options.stopped(told, isException ? data?.description?.split('\n')[0] : undefined)
  }

  private proceed(how: Step | 'resume'): void {
    this.options.inspector.post(`Debugger.${how}`).catch(() => {})
  }

  /** V8 steps statement by statement; the rest of a line that was already shown is skipped. */
  private isSameLine(step: { from: Frame | undefined; depth: number }, top: Frame, depth: number): boolean {
    const { from } = step
    if (!from || from.cell === undefined || depth !== step.depth) return false
    const before = from.call.location
    const now = top.call.location
    return (
      from.cell === top.cell &&
      from.line === top.line &&
      sameFunction(from.call, top.call) &&
      (now.lineNumber > before.lineNumber || (now.columnNumber ?? 0) > (before.columnNumber ?? 0))
    )
  }

  private read(call: CallFrame): Frame {
    const { sources } = this.options
    const { scriptId, lineNumber } = call.location
    const url = sources.url(scriptId)
    const cell = sources.cell(url)
    const id = ++this.lastFrame
    if (!cell) {
      const path = isInternal(url) ? '' : url.startsWith('file:') ? fileURLToPath(url) : url
      return {
        id,
        name: call.functionName || '(anonymous)',
        line: lineNumber + 1,
        path,
        cell: undefined,
        call,
      }
    }
    const isWrapper = call.functionLocation?.lineNumber === 0
    const name =
      call.functionName || (isWrapper ? url.replace(/^cell-(\d+)\.ts$/, 'cell [$1]') : '(anonymous)')
    return {
      id,
      name,
      line: cellLine(cell, lineNumber) ?? 0,
      path: sources.path(cell.code),
      cell: url,
      call,
    }
  }
}

const sameFunction = (a: CallFrame, b: CallFrame): boolean =>
  a.functionLocation?.scriptId === b.functionLocation?.scriptId &&
  a.functionLocation?.lineNumber === b.functionLocation?.lineNumber &&
  a.functionLocation?.columnNumber === b.functionLocation?.columnNumber
