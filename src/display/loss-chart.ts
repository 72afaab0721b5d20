import { randomUUID } from 'node:crypto'
import { logger } from '../logging'
import { seriesOf, type LogRow, type Series } from './chart-data'
import { chartHtml, plotlyHtml } from './chart-html'
import { svgToPng } from './chart-png'
import { chartText } from './chart-summary'
import { detectOutput, type Handle, type MimeBundle, type Output } from './output'
import { Throttle } from './throttle'

export interface LossChartOptions {
  /** Default: `Training`. */
  title?: string
  /** Where the axis of steps ends; default: at the newest step. */
  max_steps?: number
  output?: Output
}

const interval = 500 // at most two updates a second
export const livePoints: number = 400
export const finalPoints: number = 2_000
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
  private readonly lastStep: number | undefined
  private readonly throttle: Throttle = new Throttle(interval, () => this.render(livePoints))
  private handle: Handle | undefined

  constructor(options: LossChartOptions = {}) {
    this.title = options.title ?? 'Training'
    this.output = options.output ?? detectOutput()
    this.lastStep = options.max_steps
  }

  /** Shows an empty chart in a notebook, so that nothing moves when the first row comes. */
  begin(): void {
    if (this.output.kind === 'rich') this.draw([])
  }

  /** Adds a log row: `step` and any of loss, eval_loss, learning_rate, grad_norm. */
  add(row: LogRow): void {
    this.rows.push(row)
    if (this.output.kind === 'rich') this.throttle.request()
  }

  /** Draws the final state. */
  end(): void {
    this.throttle.cancel()
    this.render(finalPoints)
  }

  private render(points: number): void {
    const series = seriesOf(this.rows, points)
    if (series.length > 0) this.draw(series)
  }

  private draw(series: readonly Series[]): void {
    const bundle = chartBundle(this.id, series, this.title, this.lastStep)
    if (this.handle) return this.handle.update(bundle)
    loadPlotly(this.output)
    this.handle = this.output.show(bundle)
  }
}

/** A chart in its forms; charts of one `id` are frames of one. `lastStep`: where the axis of steps ends. */
export function chartBundle(
  id: string,
  series: readonly Series[],
  title: string,
  lastStep?: number,
): MimeBundle {
  return { 'text/html': chartHtml(id, series, title, lastStep), 'text/plain': chartText(series, title) }
}

/** The bundle with a PNG for viewers that run no scripts (GitHub), if the image library works. */
export async function withPng(bundle: MimeBundle, svg: () => string, owner: string): Promise<MimeBundle> {
  try {
    return { ...bundle, 'image/png': await svgToPng(svg()) }
  } catch (error) {
    logger.warning(`${owner}: no PNG, the image library 'sharp' failed: ${String(error)}`)
    return bundle
  }
}

/** Shows a bundle with a PNG: one output, or two where one output has one form. */
export function showWithPng(output: Output, bundle: MimeBundle): void {
  const { 'image/png': png, ...rest } = bundle
  if (output.kind !== 'rich' || png === undefined || output.bundles) return void output.show(bundle)
  output.show(rest)
  output.show({ 'text/plain': rest['text/plain'], 'image/png': png })
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
