import { randomUUID } from 'node:crypto'
import { logger } from '../logging'
import { seriesOf, type LogRow, type Series } from './chart-data'
import { chartHtml, plotlyHtml } from './chart-html'
import { svgToPng } from './chart-png'
import { chartText } from './chart-summary'
import { chartSvg } from './chart-svg'
import { formatBytes, formatNumber } from './format'
import { detectOutput, type Handle, type MimeBundle, type Output } from './output'
import { Throttle } from './throttle'
import { checkNames } from '../options/parse'

export interface LossChartOptions {
  /** Default: `Training`. */
  title?: string
  output?: Output
}

const interval = 500 // at most two updates a second
export const livePoints: number = 400
const finalPoints = 2_000
let plotlySent = false

/**
 * The live chart of a training run: loss on the left axis, learning rate and gradient norm on the right ones.
 * In a notebook it is redrawn in place at most twice a second; in a terminal only the final summary is printed.
 */
export class LossChart {
  private readonly title: string
  private readonly output: Output
  private readonly id: string = randomUUID()
  private readonly rows: LogRow[] = []
  private note = ''
  private readonly throttle: Throttle = new Throttle(interval, () => this.render(livePoints))
  private handle: Handle | undefined

  constructor(options: LossChartOptions = {}) {
    this.title = options.title ?? 'Training'
    this.output = options.output ?? detectOutput()
  }

  /**
   * Adds a log row (`step` and any of loss, eval_loss, learning_rate, grad_norm). The latest
   * `tokens_per_second` and `memory_bytes` are shown beside the title.
   */
  add(row: LogRow): void {
    this.rows.push(row)
    this.note = speedNote(row) || this.note
    if (this.output.kind === 'rich') this.throttle.request()
  }

  /** Draws the final state. */
  end(): void {
    this.throttle.cancel()
    this.render(finalPoints)
  }

  private render(points: number): void {
    const series = seriesOf(this.rows, points)
    if (series.length === 0) return
    const bundle = chartBundle(this.id, series, this.title, this.note)
    if (this.handle) return this.handle.update(bundle)
    loadPlotly(this.output)
    this.handle = this.output.show(bundle)
  }
}

/**
 * Shows the curves of a finished run: interactive in a notebook, with a PNG for viewers without scripts
 * (GitHub), and a text summary elsewhere. `log_history` is `trainer.state.log_history`. Throws when no row has
 * a loss.
 */
export async function plot_loss(
  log_history: readonly LogRow[],
  options: LossChartOptions = {},
): Promise<void> {
  checkNames<LossChartOptions>('plot_loss', options, ['title', 'output'])
  const { title = 'Training', output = detectOutput() } = options
  const series = seriesOf(log_history, finalPoints)
  if (!series.some((line) => line.axis === 'loss')) {
    throw new Error(
      `[plot_loss] none of the ${log_history.length} rows has a step with a finite loss or eval_loss`,
    )
  }
  const bundle = chartBundle(randomUUID(), series, title)
  if (output.kind !== 'rich') return void output.show(bundle)
  let png: Uint8Array | undefined
  try {
    png = await svgToPng(chartSvg(series, { title }))
  } catch (error) {
    logger.warning(`plot_loss: no PNG, the image library 'sharp' failed: ${String(error)}`)
  }
  loadPlotly(output)
  if (png && output.bundles) return void output.show({ ...bundle, 'image/png': png })
  output.show(bundle)
  if (png) output.show({ 'text/plain': bundle['text/plain'], 'image/png': png })
}

/**
 * A chart in all its forms; charts with the same `id` are frames of one chart. `note` is shown beside the
 * title.
 */
export function chartBundle(
  id: string,
  series: readonly Series[],
  title: string,
  note: string = '',
): MimeBundle {
  const heading = note === '' ? title : `${title}: ${note}`
  const text = chartText(series, title)
  return {
    'text/html': chartHtml(id, series, heading),
    'text/plain': note === '' ? text : `${text}\n  ${note}`,
  }
}

/** `290 tokens/s, 0.91 GiB memory`: the speed and the peak memory of the device's tensors, if the row has them. */
export function speedNote(row: LogRow): string {
  const { tokens_per_second: speed, memory_bytes: memory } = row
  const parts: string[] = []
  if (typeof speed === 'number') parts.push(`${formatNumber(Math.round(speed))} tokens/s`)
  if (typeof memory === 'number') parts.push(`${formatBytes(memory)} memory`)
  return parts.join(', ')
}

/**
 * Sends the plotly library with the first chart of this process, as an output of its own, which a saved
 * notebook keeps.
 */
export function loadPlotly(output: Output): void {
  if (output.kind !== 'rich' || plotlySent) return
  plotlySent = true
  output.show({ 'text/html': plotlyHtml(), 'text/plain': '(plotly.js)' })
}
