import type { LogRow } from './chart-data'
import { formatBytes, formatNumber } from './format'
import { LossChart } from './loss-chart'
import { detectOutput, type Output } from './output'
import { Progress, type ProgressState } from './progress'
import { printLine } from './terminal-bars'

export interface TrainingInfo {
  max_steps: number
  /** Title of the chart. Default: `Training`. */
  title?: string
  /** Steps already done by a continued run, and the rows of their log. */
  step?: number
  history?: readonly LogRow[]
}

/** What a trainer reports about its run. */
export interface TrainingDisplay {
  start(info: TrainingInfo): void
  /** Called after each optimizer step, logged or not; moves the bar. */
  step(step: number): void
  /** A log row: training figures, or evaluation figures (`eval_loss`). */
  log(row: LogRow): void
  /** The final figures (`train_runtime`, `train_loss` ...); none if the run was interrupted or failed. */
  end(summary?: LogRow): void
}

export interface TrainingDisplayOptions {
  /** No bar and no chart; rows are still printed. */
  disable_tqdm?: boolean
  /** Where rows and charts go. */
  output?: Output
  /** Where a terminal's bar goes; default: standard error. */
  progressOutput?: Output
}

/** A bar and a live chart in a notebook; elsewhere a bar and one line per row, as transformers prints them. */
export function createTrainingDisplay(options: TrainingDisplayOptions = {}): TrainingDisplay {
  const output = options.output ?? detectOutput()
  const bars = options.disable_tqdm !== true
  if (output.kind === 'rich' && bars) return new NotebookDisplay(output)
  const progress = options.progressOutput ?? detectOutput(process.stderr)
  return new LineDisplay(output, bars ? progress : undefined)
}

class NotebookDisplay implements TrainingDisplay {
  private progress: Progress | undefined
  private chart: LossChart | undefined
  private note = ''
  /** The newest of each: an evaluation has no speed. */
  private figures: LogRow = {}
  private at = 0

  constructor(private readonly output: Output) {}

  start(info: TrainingInfo): void {
    this.progress = trainingBar(info, this.output)
    const { title = 'Training', max_steps } = info
    this.chart = new LossChart({ title, max_steps, output: this.output })
    this.chart.begin()
    for (const row of info.history ?? []) this.chart.add(row)
    this.at = info.step ?? 0
  }

  step(step: number): void {
    this.at = step
    this.progress?.update(step)
  }

  log(row: LogRow): void {
    this.figures = { ...this.figures, ...row }
    this.note = noteOf(this.figures)
    this.progress?.update(this.at, { note: this.note })
    this.chart?.add(row)
  }

  end(summary?: LogRow): void {
    this.progress?.finish(endNote(this.note, summary))
    this.chart?.end()
  }
}

class LineDisplay implements TrainingDisplay {
  private progress: Progress | undefined

  constructor(
    private readonly output: Output,
    private readonly progressOutput: Output | undefined,
  ) {}

  start(info: TrainingInfo): void {
    if (this.progressOutput) this.progress = trainingBar(info, this.progressOutput)
  }

  step(step: number): void {
    this.progress?.update(step)
  }

  log(row: LogRow): void {
    const line = pythonRow(row)
    if (this.output.stream) printLine(this.output.stream, line)
    else this.output.show({ 'text/plain': line })
  }

  end(summary?: LogRow): void {
    if (summary) this.log(summary)
    this.progress?.finish(summary ? undefined : stopped)
  }
}

function trainingBar(info: TrainingInfo, output: Output): Progress {
  const initial = info.step ?? 0
  const progress = new Progress({ label: 'Training', total: info.max_steps, initial, describe, output })
  progress.update(initial)
  return progress
}

/** `step 11 of 64, 7.1 s a step, 6 min left, loss 2.19, 33 tokens/s, 267 MiB` */
function describe({ done, total = 0, rate, seconds, finished, note }: ProgressState): string {
  const parts = [`step ${done} of ${total}`]
  if (rate > 0) parts.push(pace(rate))
  if (finished) parts.push(`${spell(seconds)} in all`)
  else if (rate > 0) parts.push(`${spell((total - done) / rate)} left`)
  return [...parts, note].filter((part) => part !== '').join(', ')
}

/** Steps a second as people say it. */
function pace(rate: number): string {
  if (rate >= 10) return `${formatNumber(Math.round(rate))} steps a second`
  return `${Number((1 / rate).toPrecision(2))} s a step`
}

/** `40 s`, `6 min`, `1 h 20 min` */
export function spell(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 100) return `${whole} s`
  const minutes = Math.round(whole / 60)
  if (minutes < 100) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `loss 1.234, 290 tokens/s, 0.91 GiB` */
function noteOf(row: LogRow): string {
  const parts: string[] = []
  const add = (key: string, print: (value: number) => string): void => {
    const value = row[key]
    if (typeof value === 'number') parts.push(print(value))
  }
  add('loss', (value) => `loss ${formatNumber(value)}`)
  add('eval_loss', (value) => `evaluation loss ${formatNumber(value)}`)
  add('tokens_per_second', (value) => `${formatNumber(Math.round(value))} tokens/s`)
  add('memory_bytes', formatBytes)
  return parts.join(', ')
}

function endNote(last: string, summary: LogRow | undefined): string {
  const mean = summary?.['train_loss']
  const end = !summary ? stopped : typeof mean === 'number' ? `mean loss ${formatNumber(mean)}` : ''
  return [last, end].filter((part) => part !== '').join(', ')
}

const stopped = 'stopped; run the cell again (trainer.train()) to go on'

/** A row as Python prints a dictionary, which scripts that parse such logs expect. */
function pythonRow(row: LogRow): string {
  // transformers prints the epoch, but not the step.
  const shown = Object.entries(row).filter(([key]) => key !== 'step')
  const entries = shown.map(([key, value]) => {
    const text = typeof value === 'number' ? formatNumber(value) : `'${String(value)}'`
    return `'${key}': ${text}`
  })
  return `{${entries.join(', ')}}`
}
