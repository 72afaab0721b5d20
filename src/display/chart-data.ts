/** A row of `log_history`, as in the trainer and `trainer_state.json`. */
export type LogRow = Readonly<Record<string, unknown>>

export type AxisName = 'loss' | 'learning_rate' | 'grad_norm'

/** One line of the loss chart; `x` holds steps. */
export interface Series {
  name: string
  axis: AxisName
  color: string
  /** SVG dash pattern; plotly uses the same format. */
  dash: string
  width: number
  /** Whether points are marked: there are only few evaluations. */
  markers: boolean
  /** Drawn faint: the smoothed line beside it tells more. */
  faint?: boolean
  /** Not in the legend: another line of the same run is. */
  unnamed?: boolean
  x: number[]
  y: number[]
}

// Mid-tone colours with contrast on white and on dark notebooks; the dash patterns distinguish the lines
// without colour.
const styles: ReadonlyArray<Omit<Series, 'x' | 'y'> & { key: string }> = [
  {
    key: 'loss',
    name: 'training loss',
    axis: 'loss',
    color: '#2f7fd1',
    dash: '',
    width: 2.25,
    markers: false,
  },
  {
    key: 'eval_loss',
    name: 'evaluation loss',
    axis: 'loss',
    color: '#d6457a',
    dash: '',
    width: 2.25,
    markers: true,
  },
  {
    key: 'learning_rate',
    name: 'learning rate',
    axis: 'learning_rate',
    color: '#d9822b',
    dash: '7,3',
    width: 1.5,
    markers: false,
  },
  {
    key: 'grad_norm',
    name: 'gradient norm',
    axis: 'grad_norm',
    color: '#2a9d6e',
    dash: '2,3',
    width: 1.5,
    markers: false,
  },
]

/** The lines of the chart: loss, evaluation loss, learning rate, gradient norm. Non-finite values are left out. */
export function seriesOf(history: readonly LogRow[], maxPoints: number): Series[] {
  const series: Series[] = []
  for (const { key, ...style } of styles) {
    const x: number[] = []
    const y: number[] = []
    for (const row of history) {
      const [step, value] = [row['step'], row[key]]
      if (typeof step !== 'number' || typeof value !== 'number' || !Number.isFinite(value)) continue
      x.push(step)
      y.push(value)
    }
    if (x.length === 0) continue
    const isSmoothed = key === 'loss' && x.length >= LEAST_TO_SMOOTH
    series.push({ ...style, ...thin(x, y, maxPoints), ...(isSmoothed && { faint: true }) })
    if (!isSmoothed) continue
    series.push({ ...style, name: 'smoothed', ...thin(x, smoothed(y), maxPoints) })
  }
  return series
}

/** The losses of several runs, a colour each: what was measured faint, smoothed, and evaluations as points. */
export function runSeries(
  runs: readonly { name: string; history: readonly LogRow[] }[],
  maxPoints: number,
): Series[] {
  return runs.flatMap(({ name, history }, run) => {
    const lines = seriesOf(history, maxPoints).filter(({ axis }) => axis === 'loss')
    const main = lines.find((line) => line.name === 'smoothed') ?? lines[0]
    return lines.map((line) => ({
      ...line,
      color: runColors[run % runColors.length]!,
      name: line.markers ? `${name}, evaluation` : name,
      ...(line !== main && { unnamed: true }),
    }))
  })
}

const runColors: readonly string[] = [
  '#2f7fd1',
  '#d9822b',
  '#2a9d6e',
  '#d6457a',
  '#8a63d2',
  '#b8901f',
  '#3aa6b9',
  '#7d7d7d',
]

const LEAST_TO_SMOOTH = 8

/** TensorBoard's smoothing: a moving mean whose weights fall by a factor a step, without the bias of its beginning. */
export function smoothed(values: readonly number[], factor: number = 0.8): number[] {
  let [last, weight] = [0, 0]
  return values.map((value) => {
    last = last * factor + (1 - factor) * value
    weight = weight * factor + (1 - factor)
    return last / weight
  })
}

/**
 * About `max` points at most: the lowest and highest of each section, so that spikes stay visible; first and
 * last are kept.
 */
export function thin(x: number[], y: number[], max: number): { x: number[]; y: number[] } {
  if (x.length <= max) return { x, y }
  const keep = new Set([0, x.length - 1])
  const stretches = Math.max(1, Math.floor(max / 2) - 1)
  for (let i = 0; i < stretches; i++) {
    const end = Math.floor(((i + 1) * x.length) / stretches)
    let low = Math.floor((i * x.length) / stretches)
    let high = low
    for (let j = low + 1; j < end; j++) {
      if (y[j]! < y[low]!) low = j
      if (y[j]! > y[high]!) high = j
    }
    keep.add(low).add(high)
  }
  const kept = [...keep].sort((a, b) => a - b)
  return { x: kept.map((i) => x[i]!), y: kept.map((i) => y[i]!) }
}

/** Tick values of one axis over all its lines, about `count`; without lines of 0 to 1. */
export function axisTicks(series: readonly Series[], axis: AxisName, count: number = 5): number[] {
  let [low, high] = [Infinity, -Infinity]
  for (const line of series) {
    if (line.axis !== axis) continue
    for (const value of line.y) {
      low = Math.min(low, value)
      high = Math.max(high, value)
    }
  }
  if (low > high) [low, high] = [0, 1]
  return niceTicks(low, high, count)
}

/** Round tick values covering `low..high`, about `count` of them; the first and last enclose the range. */
export function niceTicks(low: number, high: number, count: number): number[] {
  if (!(high > low)) {
    const pad = Math.abs(low) * 0.1 || 1
    ;[low, high] = [low - pad, high + pad]
  }
  const raw = (high - low) / count
  const power = 10 ** Math.floor(Math.log10(raw))
  const step = power * ([1, 2, 2.5, 5, 10].find((n) => n * power >= raw * 0.999) ?? 10)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.ceil(high / step - 1e-9)
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)))
}
