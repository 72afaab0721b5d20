import { axisTicks, niceTicks, type AxisName, type Series } from './chart-data'
import { ChartText } from './chart-text'
import { escapeHtml, formatNumber } from './format'

export interface SvgOptions {
  title: string
  width?: number
  height?: number
}

const ink = '#3d4450'
const grid = '#e6e9ee'
export const axisTitles: Readonly<Record<AxisName, string>> = {
  loss: 'loss',
  learning_rate: 'learning rate',
  grad_norm: 'gradient norm',
}

/**
 * The loss chart as SVG on a white background, which is readable on light and dark pages. It is not drawn by
 * plotly in a simulated page, which measures text wrongly (cut legends), needs a second of the JavaScript
 * thread, and needs fonts that some machines lack.
 */
export function chartSvg(series: readonly Series[], options: SvgOptions): string {
  const { title, width = 860, height = 420 } = options
  const text = new ChartText()
  const axes = (['loss', 'learning_rate', 'grad_norm'] as const).filter((axis) =>
    series.some((s) => s.axis === axis),
  )
  const right: AxisName[] = axes.filter((axis) => axis !== 'loss')
  const box = {
    left: 70,
    top: 76,
    right: width - (right.length ? right.length * 74 + 6 : 24),
    bottom: height - 50,
  }
  const steps = series.flatMap((s) => [s.x[0]!, s.x.at(-1)!])
  const [firstStep, lastStep] = steps.length ? [Math.min(...steps), Math.max(...steps)] : [0, 1]
  const toX = (step: number): number =>
    lastStep > firstStep
      ? box.left + ((step - firstStep) / (lastStep - firstStep)) * (box.right - box.left)
      : (box.left + box.right) / 2

  const parts: string[] = []
  const label = { size: 12, fill: ink }
  parts.push(text.at(box.left, 32, title, { size: 18, fill: '#1c222b' }))
  parts.push(legend(series, text, box.left, 57))

  for (const step of niceTicks(firstStep, lastStep, 8)) {
    if (step < firstStep || step > lastStep || !Number.isInteger(step)) continue
    const x = toX(step)
    parts.push(`<path d="M${x.toFixed(1)} ${box.top}V${box.bottom}" stroke="${grid}"/>`)
    parts.push(text.at(x, box.bottom + 19, formatNumber(step), { ...label, anchor: 'middle' }))
  }
  parts.push(
    text.at((box.left + box.right) / 2, height - 12, 'step', { ...label, size: 13, anchor: 'middle' }),
  )

  for (const axis of axes) {
    const own = series.filter((s) => s.axis === axis)
    const ticks = axisTicks(series, axis)
    const [low, high] = [ticks[0]!, ticks.at(-1)!]
    const toY = (value: number): number =>
      box.bottom - ((value - low) / (high - low)) * (box.bottom - box.top)
    const index = right.indexOf(axis)
    const x = index < 0 ? box.left : box.right + index * 74
    const color = own[0]!.color
    // One notation per axis: not 5e-4 below 0.001.
    const name = (tick: number): string => (high >= 1e-3 && high < 1e7 ? String(tick) : formatNumber(tick))
    for (const tick of ticks) {
      const y = toY(tick)
      if (index < 0) {
        parts.push(`<path d="M${box.left} ${y.toFixed(1)}H${box.right}" stroke="${grid}"/>`)
        parts.push(text.at(x - 8, y + 4, name(tick), { size: 12, fill: color, anchor: 'end' }))
      } else {
        parts.push(`<path d="M${x} ${y.toFixed(1)}h4" stroke="${color}"/>`)
        parts.push(text.at(x + 8, y + 4, name(tick), { size: 12, fill: color }))
      }
    }
    if (index >= 0) parts.push(`<path d="M${x} ${box.top}V${box.bottom}" stroke="${color}"/>`)
    const titleX = index < 0 ? 20 : x + 64
    const middle = (box.top + box.bottom) / 2
    parts.push(
      text.at(titleX, middle, axisTitles[axis], { size: 13, fill: color, anchor: 'middle', rotate: -90 }),
    )
    for (const line of own) parts.push(drawLine(line, toX, toY))
  }

  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">` +
    `<title>${escapeHtml(title)}</title>${text.defs()}` +
    `<rect width="${width}" height="${height}" rx="6" fill="#fff"/>` +
    `<g fill="none">${parts.join('')}</g></svg>`
  )
}

function drawLine(line: Series, toX: (step: number) => number, toY: (value: number) => number): string {
  const points = line.x.map((step, i) => `${toX(step).toFixed(1)},${toY(line.y[i]!).toFixed(1)}`)
  const dash = line.dash ? ` stroke-dasharray="${line.dash}"` : ''
  const stroke = `stroke="${line.color}" stroke-width="${line.width}" stroke-linejoin="round"${dash}`
  const path = `<polyline points="${points.join(' ')}" ${stroke}/>`
  if (!line.markers && points.length > 1) return path
  const dots = line.x.map((step, i) => {
    const y = toY(line.y[i]!).toFixed(1)
    return `<circle cx="${toX(step).toFixed(1)}" cy="${y}" r="3.5" fill="${line.color}"/>`
  })
  return path + dots.join('')
}

function legend(series: readonly Series[], text: ChartText, x: number, y: number): string {
  let out = ''
  for (const line of series) {
    const dash = line.dash ? ` stroke-dasharray="${line.dash}"` : ''
    out += `<path d="M${x.toFixed(1)} ${y - 4}h26" stroke="${line.color}" stroke-width="${line.width}"${dash}/>`
    if (line.markers)
      out += `<circle cx="${(x + 13).toFixed(1)}" cy="${y - 4}" r="3.5" fill="${line.color}"/>`
    out += text.at(x + 32, y, line.name, { size: 12, fill: ink })
    x += 32 + text.width(line.name, 12) + 22
  }
  return out
}
