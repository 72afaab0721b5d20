import type { Series } from './chart-data'
import { formatNumber } from './format'

const bars = '▁▂▃▄▅▆▇█'

/** The chart as text with block characters, one line per series: first -> last value, lowest, shape. */
export function chartText(series: readonly Series[], title: string): string {
  if (series.length === 0) return `${title}: no steps logged yet`
  const widest = Math.max(...series.map((line) => line.name.length))
  const lines = series.map((line) => {
    const low = line.y.reduce((best, value, i) => (value < line.y[best]! ? i : best), 0)
    const values = `${formatNumber(line.y[0]!)} -> ${formatNumber(line.y.at(-1)!)}`
    const lowest = `lowest ${formatNumber(line.y[low]!)} at step ${line.x[low]}`
    return `  ${line.name.padEnd(widest)}  ${sparkline(line.y)}  ${values}, ${lowest}`
  })
  const steps = series.flatMap((line) => [line.x[0]!, line.x.at(-1)!])
  return `${title}, steps ${Math.min(...steps)} to ${Math.max(...steps)}\n${lines.join('\n')}`
}

/** The values as up to 30 block characters, each the mean of its section. */
export function sparkline(values: readonly number[], length: number = 30): string {
  const count = Math.min(length, values.length)
  const means = Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    )
    return part.reduce((sum, value) => sum + value, 0) / part.length
  })
  const low = Math.min(...means)
  const span = Math.max(...means) - low
  return means.map((mean) => bars[span > 0 ? Math.round(((mean - low) / span) * 7) : 0]).join('')
}
