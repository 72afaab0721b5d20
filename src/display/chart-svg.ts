import { axisTicks, niceTicks, type AxisName, type Series } from './chart-data'
import { ChartText } from './chart-text'
import { escapeHtml, formatNumber } from './format'

export interface SvgOptions {
  title: string
  width?: number
  height?: number
  /** Where the axis of steps ends. Default: at the last point. */
  lastStep?: number | undefined
}

const ink = '#3d4450'
const grid = '#e6e9ee'
export const axisTitles: Readonly<Record<AxisName, string>> = {
  loss: 'loss',
  learning_rate: 'learning rate',
  grad_norm: 'gradient norm',
}

/** The small panels that the lines need. */
export function panelsBelow(series: readonly Series[]): AxisName[] {
  return (['learning_rate', 'grad_norm'] as const).filter((axis) => series.some((s) => s.axis === axis))
}

/** First and last step of the axis: to the end of the run where that is known. */
export function stepRange(series: readonly Series[], lastStep: number | undefined): [number, number] {
  const steps = series.flatMap((s) => [s.x[0]!, s.x.at(-1)!])
  const [first, last] = steps.length > 0 ? [Math.min(...steps), Math.max(...steps)] : [1, lastStep ?? 2]
  return [lastStep === undefined ? first : Math.min(first, 1), Math.max(last, lastStep ?? last)]
}

/** Where one axis is drawn. */
interface Box {
  left: number
  top: number
  right: number
  bottom: number
}

/**
 * The loss chart as SVG on a white background, which is readable on light and dark pages. It is not drawn by
 * plotly in a simulated page, which measures text wrongly (cut legends), needs a second of the JavaScript
 * thread, and needs fonts that some machines lack.
 */
export function chartSvg(series: readonly Series[], options: SvgOptions): string {
  const { title, width = 860, height = 420, lastStep } = options
  const text = new ChartText()
  const small = panelsBelow(series)
  const steps = stepRange(series, lastStep)
  const [left, right] = [70, width - 24]
  const parts: string[] = []
  parts.push(text.at(left, 32, title, { size: 18, fill: '#1c222b' }))
  parts.push(legend(series, text, left, 57))
  const bottom = small.length > 0 ? height - 152 : height - 50
  parts.push(panel('loss', { left, top: 76, right, bottom }, { series, steps, text, ticks: 5 }))
  parts.push(text.at((left + right) / 2, bottom + 34, 'step', { size: 13, fill: ink, anchor: 'middle' }))
  const middle = (left + right) / 2
  for (const [i, axis] of small.entries()) {
    const box = {
      left: i === 0 ? left : middle + 60,
      top: height - 92,
      right: i === 0 && small.length > 1 ? middle - 20 : right,
      bottom: height - 28,
    }
    parts.push(text.at(box.left, box.top - 8, axisTitles[axis], { size: 12, fill: ink }))
    parts.push(panel(axis, box, { series, steps, text, ticks: 2 }))
  }
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">` +
    `<title>${escapeHtml(title)}</title>${text.defs()}` +
    `<rect width="${width}" height="${height}" rx="6" fill="#fff"/>` +
    `<g fill="none">${parts.join('')}</g></svg>`
  )
}

interface Drawing {
  series: readonly Series[]
  steps: readonly [number, number]
  text: ChartText
  /** About how many on the axis. */
  ticks: number
}

/** The lines of one axis with its grid and ticks. */
function panel(axis: AxisName, box: Box, { series, steps: [first, last], text, ticks }: Drawing): string {
  const label = { size: 12, fill: ink }
  const own = series.filter((s) => s.axis === axis)
  const toX = (step: number): number =>
    last > first
      ? box.left + ((step - first) / (last - first)) * (box.right - box.left)
      : (box.left + box.right) / 2
  const parts: string[] = []
  for (const step of niceTicks(first, last, axis === 'loss' ? 8 : 4)) {
    if (step < first || step > last || !Number.isInteger(step)) continue
    const x = toX(step)
    parts.push(`<path d="M${x.toFixed(1)} ${box.top}V${box.bottom}" stroke="${grid}"/>`)
    parts.push(text.at(x, box.bottom + 17, formatNumber(step), { ...label, anchor: 'middle' }))
  }
  if (own.length === 0) return parts.join('')
  const marks = axisTicks(series, axis, ticks)
  const [low, high] = [marks[0]!, marks.at(-1)!]
  const toY = (value: number): number => box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top)
  // One form on one axis: not 5e-4 below 0.001.
  const name = (tick: number): string => (high >= 1e-3 && high < 1e7 ? String(tick) : formatNumber(tick))
  for (const tick of marks) {
    const y = toY(tick)
    parts.push(`<path d="M${box.left} ${y.toFixed(1)}H${box.right.toFixed(1)}" stroke="${grid}"/>`)
    parts.push(text.at(box.left - 8, y + 4, name(tick), { ...label, anchor: 'end' }))
  }
  if (axis === 'loss')
    parts.push(
      text.at(20, (box.top + box.bottom) / 2, axisTitles.loss, {
        size: 13,
        fill: ink,
        anchor: 'middle',
        rotate: -90,
      }),
    )
  for (const line of own) parts.push(drawLine(line, toX, toY))
  return parts.join('')
}

function drawLine(line: Series, toX: (step: number) => number, toY: (value: number) => number): string {
  const points = line.x.map((step, i) => `${toX(step).toFixed(1)},${toY(line.y[i]!).toFixed(1)}`)
  const dash = line.dash ? ` stroke-dasharray="${line.dash}"` : ''
  const faint = line.faint ? ' stroke-opacity="0.35"' : ''
  const stroke = `stroke="${line.color}" stroke-width="${line.width}" stroke-linejoin="round"${dash}${faint}`
  if (!line.markers && points.length > 1) return `<polyline points="${points.join(' ')}" ${stroke}/>`
  const dots = line.x.map((step, i) => {
    const y = toY(line.y[i]!).toFixed(1)
    return `<circle cx="${toX(step).toFixed(1)}" cy="${y}" r="3.5" fill="${line.color}"/>`
  })
  return dots.join('')
}

function legend(series: readonly Series[], text: ChartText, x: number, y: number): string {
  let out = ''
  for (const line of series) {
    if (line.axis !== 'loss' || line.unnamed) continue
    const dash = line.dash ? ` stroke-dasharray="${line.dash}"` : ''
    const faint = line.faint ? ' stroke-opacity="0.35"' : ''
    if (!line.markers)
      out += `<path d="M${x.toFixed(1)} ${y - 4}h26" stroke="${line.color}" stroke-width="${line.width}"${dash}${faint}/>`
    else out += `<circle cx="${(x + 13).toFixed(1)}" cy="${y - 4}" r="3.5" fill="${line.color}"/>`
    out += text.at(x + 32, y, line.name, { size: 12, fill: ink })
    x += 32 + text.width(line.name, 12) + 22
  }
  return out
}
