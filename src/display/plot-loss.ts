import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import { checkNames } from '../options/parse'
import { runSeries, seriesOf, type LogRow, type Series } from './chart-data'
import { chartSvg } from './chart-svg'
import { chartBundle, finalPoints, livePoints, loadPlotly, showWithPng, withPng } from './loss-chart'
import { detectOutput, type Output } from './output'
import type { Watched } from './watch'

/** A run: its trainer, or the rows of its log. */
export type PlottedRun = Pick<Watched, 'status' | 'state'> | readonly LogRow[]

export interface PlotLossOptions {
  /** Default: `Training`. */
  title?: string
  /** Names of several runs. Default: run 1, run 2, ... */
  names?: readonly string[]
  /** Stops following runs that still train. */
  signal?: AbortSignal
  output?: Output
}

/**
 * Shows the curves of one run or of several on one chart: interactive in a notebook, with a PNG for viewers that run no scripts
 * (GitHub), and a summary in text elsewhere. A run is `trainer.state.log_history`, or the trainer; while one of the trainers trains,
 * the chart grows, and the call resolves when all have ended or stopped.
 * @throws Error when no row has a loss; TypeError when `names` are not as many as the runs.
 */
export async function plot_loss(
  runs: PlottedRun | readonly PlottedRun[] | Readonly<Record<string, PlottedRun>>,
  options: PlotLossOptions = {},
): Promise<void> {
  checkNames<PlotLossOptions>('plot_loss', options, ['title', 'names', 'signal', 'output'])
  const { title = 'Training', output = detectOutput(), signal } = options
  const given = runsOf(runs, options.names)
  const id = randomUUID()
  const lines = (points: number): Series[] =>
    given.length === 1
      ? seriesOf(historyOf(given[0]!.run), points)
      : runSeries(
          given.map(({ name, run }) => ({ name, history: historyOf(run) })),
          points,
        )
  const trains = (): boolean => given.some(({ run }) => isTrainer(run) && run.status().training)
  const last = (): number | undefined =>
    trains() ? Math.max(...given.map(({ run }) => (isTrainer(run) ? run.status().max_steps : 0))) : undefined
  const follows = trains()
  if (follows && output.kind === 'rich') {
    loadPlotly(output)
    const handle = output.show(chartBundle(id, lines(livePoints), title, last()))
    while (trains() && !signal?.aborted) {
      await wait(1000, undefined, signal ? { signal } : {}).catch(() => undefined)
      handle.update(chartBundle(id, lines(livePoints), title, last()))
    }
    const bundle = chartBundle(id, lines(finalPoints), title)
    return handle.update(await withPng(bundle, () => chartSvg(lines(finalPoints), { title }), 'plot_loss'))
  }
  const series = lines(finalPoints)
  if (!series.some((line) => line.axis === 'loss')) {
    const rows = given.reduce((n, { run }) => n + historyOf(run).length, 0)
    throw new Error(`[plot_loss] none of the ${rows} rows has a step with a finite loss or eval_loss`)
  }
  const bundle = chartBundle(id, series, title)
  if (output.kind !== 'rich') return void output.show(bundle)
  loadPlotly(output)
  showWithPng(output, await withPng(bundle, () => chartSvg(series, { title }), 'plot_loss'))
}

function runsOf(
  given: PlottedRun | readonly PlottedRun[] | Readonly<Record<string, PlottedRun>>,
  names: readonly string[] | undefined,
): { name: string; run: PlottedRun }[] {
  const runs = Array.isArray(given)
    ? given.length > 0 && given.every(isRun)
      ? (given as readonly PlottedRun[]).map((run, i) => ({ name: `run ${i + 1}`, run }))
      : [{ name: 'run 1', run: given as readonly LogRow[] }]
    : isTrainer(given)
      ? [{ name: 'run 1', run: given }]
      : isNamed(given)
        ? Object.entries(given).map(([name, run]) => ({ name, run }))
        : []
  if (runs.length === 0)
    throw new TypeError(
      '[plot_loss] give trainer.state.log_history, a trainer, a list of these, or an object of them by name',
    )
  if (names === undefined) return runs
  if (names.length !== runs.length)
    throw new TypeError(`[plot_loss] names has ${names.length} entries for ${runs.length} runs`)
  return runs.map(({ run }, i) => ({ name: names[i]!, run }))
}

const isTrainer = (value: unknown): value is Pick<Watched, 'status' | 'state'> =>
  typeof (value as Partial<Watched> | null)?.status === 'function'

const isRun = (value: unknown): value is PlottedRun => Array.isArray(value) || isTrainer(value)

const isNamed = (value: unknown): value is Record<string, PlottedRun> =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).length > 0 &&
  Object.values(value).every(isRun)

const historyOf = (run: PlottedRun): readonly LogRow[] => (isTrainer(run) ? run.state.log_history : run)
