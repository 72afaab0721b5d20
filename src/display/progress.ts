import { logging } from '../logging'
import { escapeHtml, formatBytes, formatDuration, formatNumber } from './format'
import { detectOutput, type Handle, type MimeBundle, type Output } from './output'
import { TerminalBar } from './terminal-bars'
import { Throttle } from './throttle'

export interface ProgressOptions {
  /** What is in progress: `Downloading model.safetensors`. */
  label: string
  /** Amount at the end; omit it if unknown. */
  total?: number
  /** Amount done before, which does not count for the speed. Default 0. */
  initial?: number
  /** `bytes` prints binary units; any other text is printed after the number. Default: no unit. */
  unit?: string
  /** What stands beside the bar; default: share, amounts, speed, time left, note. */
  describe?: (state: ProgressState) => string
  output?: Output
}

/** Where something long stands. */
export interface ProgressState {
  done: number
  total: number | undefined
  /** Amount a second since the beginning; 0 before there is any. */
  rate: number
  /** Since the beginning. */
  seconds: number
  finished: boolean
  note: string
}

const plainInterval = 5_000
const richInterval = 250

/**
 * Progress of a long operation: a bar in place in a notebook or a terminal; in a pipe, one line every 5 seconds
 * and at the end. Shows nothing after `logging.disable_progress_bar()`. Call `finish` in a `finally` block.
 */
export class Progress {
  private readonly label: string
  private readonly unit: string
  private readonly describe: ProgressOptions['describe']
  private readonly output: Output
  private readonly startedAt: number = Date.now()
  private readonly enabled: boolean = logging.is_progress_bar_enabled()
  private readonly throttle: Throttle
  private total: number | undefined
  private readonly initial: number
  private done: number
  private note = ''
  private finished = false
  private handle: Handle | undefined
  private bar: TerminalBar | undefined

  constructor(options: ProgressOptions) {
    this.label = options.label
    this.total = options.total
    this.initial = this.done = options.initial ?? 0
    this.unit = options.unit ?? ''
    this.describe = options.describe
    this.output = options.output ?? detectOutput(process.stderr)
    this.throttle =
      this.output.kind === 'plain'
        ? new Throttle(plainInterval, () => this.render(), { leading: false })
        : new Throttle(richInterval, () => this.render())
  }

  /** Sets the amount done so far; `note` (for instance the last loss) stays until the next one. */
  update(done: number, options: { total?: number; note?: string } = {}): void {
    if (this.finished) return
    this.done = done
    this.total = options.total ?? this.total
    this.note = options.note ?? this.note
    if (this.enabled) this.throttle.request()
  }

  /** Shows the final state; later calls do nothing. */
  finish(note?: string): void {
    if (this.finished) return
    this.finished = true
    this.note = note ?? this.note
    if (this.enabled) this.throttle.flush()
    this.bar?.stop()
    this.bar = undefined
  }

  private render(): void {
    if (this.output.kind === 'tty' && this.output.stream) {
      const total = this.total ?? Math.max(this.done, 1)
      this.bar ??= new TerminalBar(this.output.stream, this.label, total)
      this.bar.update(this.done, total, this.status())
    } else if (this.handle) {
      this.handle.update(this.bundle())
    } else {
      this.handle = this.output.show(this.bundle())
    }
  }

  private bundle(): MimeBundle {
    const max = this.total === undefined ? '' : ` max="${Math.max(this.total, 1)}" value="${this.done}"`
    const ended = this.finished && this.total === undefined ? ' max="1" value="1"' : ''
    const cell = (text: string, style = ''): string => `<span style="${style}">${escapeHtml(text)}</span>`
    return {
      'text/html':
        '<div style="display:flex;gap:0.8em;align-items:center;flex-wrap:wrap;font-variant-numeric:tabular-nums">' +
        cell(this.label, 'font-weight:600') +
        `<progress${max}${ended} style="width:240px"></progress>${cell(this.status())}</div>`,
      'text/plain': `${this.label}: ${this.status()}`,
    }
  }

  /** `45%, 12.0 / 27.0 MiB, 3.20 MiB/s, 0:05 left, loss 1.23` */
  private status(): string {
    const seconds = (Date.now() - this.startedAt) / 1000
    const rate = seconds > 0 ? (this.done - this.initial) / seconds : 0
    if (this.describe) {
      const { done, total, finished, note } = this
      return this.describe({ done, total, rate, seconds, finished, note })
    }
    const parts: string[] = []
    if (this.total === undefined) parts.push(this.amount(this.done))
    else {
      if (this.total > 0) parts.push(`${Math.floor((100 * this.done) / this.total)}%`)
      parts.push(`${this.count(this.done)} / ${this.amount(this.total)}`)
    }
    if (rate > 0) parts.push(`${this.amount(rate >= 100 ? Math.round(rate) : rate)}/s`)
    if (this.finished) parts.push(formatDuration(seconds))
    else if (this.total !== undefined && rate > 0) {
      parts.push(`${formatDuration((this.total - this.done) / rate)} left`)
    }
    if (this.note) parts.push(this.note)
    return parts.join(', ')
  }

  private count(value: number): string {
    return this.unit === 'bytes' ? formatBytes(value) : formatNumber(value)
  }

  private amount(value: number): string {
    return this.unit === 'bytes' || !this.unit ? this.count(value) : `${this.count(value)} ${this.unit}`
  }
}
