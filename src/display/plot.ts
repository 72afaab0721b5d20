import { checkNames } from '../options/parse'
import { niceTicks } from './chart-data'
import { ChartText, type TextStyle } from './chart-text'
import { escapeHtml, formatNumber } from './format'
import { showWithPng, withPng } from './loss-chart'
import { detectOutput, type MimeBundle, type Output } from './output'
import { sparkline } from './chart-summary'
import { bin, extent, numbersOf, pooled, type Numbers } from './plot-data'

interface Labels {
  title?: string
  /** Names of the axes. */
  x_label?: string
  y_label?: string
  output?: Output
}

/** What `plot` draws. Numbers are an array, a typed array or a tensor. */
export type PlotSpec = Labels &
  (
    | { type: 'histogram'; values: Numbers; /** Default 40. */ bins?: number }
    | { type: 'bars'; x: readonly (string | number)[]; y: Numbers }
    | {
        type: 'lines'
        /** Default 0, 1, 2, ... */ x?: Numbers
        /** One line, or several by name. */ y: Numbers | Record<string, Numbers>
      }
    | {
        type: 'heatmap'
        /** Rows of numbers, or a tensor of two dimensions. */ z: readonly Numbers[] | Numbers
        x?: readonly string[]
        y?: readonly string[]
      }
  )

const keys = ['type', 'values', 'bins', 'x', 'y', 'z', 'title', 'x_label', 'y_label', 'output'] as const
const kinds = ['histogram', 'bars', 'lines', 'heatmap'] as const
const colors = ['#2f7fd1', '#d9822b', '#2a9d6e', '#d6457a', '#8a63d2', '#b8901f']
const [WIDTH, HEIGHT] = [640, 360]
const box = { left: 64, top: 48, right: WIDTH - 16, bottom: HEIGHT - 48 }

/** Writes texts: outlines for a picture, plain ones for a page. */
type Writer = Pick<ChartText, 'at' | 'width' | 'defs'>
type Draw = (text: Writer) => string

/**
 * Draws numbers: a histogram, bars, lines or a heat map, as a picture that follows the page's colours, with a PNG for viewers such as
 * GitHub's, and as text outside of a notebook.
 * @throws TypeError on another type or key, RangeError when there is nothing to draw or lengths differ.
 */
export async function plot(spec: PlotSpec): Promise<void> {
  checkNames('plot', spec as unknown as Record<string, unknown>, keys)
  if (!kinds.includes(spec.type))
    throw new TypeError(
      `[plot] type: got ${String(spec.type)}, needs one of ${kinds.map((kind) => `'${kind}'`).join(', ')}`,
    )
  const { output = detectOutput() } = spec
  const { draw, text } = await drawing(spec)
  const svg = (writer: Writer, ink: string): string => {
    const body = draw(writer) + labels(spec, writer)
    return (
      `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}" viewBox="0 0 ${WIDTH} ${HEIGHT}" style="max-width:100%;height:auto;display:block;color:${ink}" color="${ink}" role="img">` +
      `<title>${escapeHtml(spec.title ?? spec.type)}</title>${writer.defs()}${ink === 'inherit' ? '' : `<rect width="${WIDTH}" height="${HEIGHT}" rx="6" fill="#fff"/>`}${body}</svg>`
    )
  }
  const bundle: MimeBundle = {
    'text/html': svg(new PlainText(), 'inherit'),
    'text/plain': `${spec.title ?? spec.type}\n${text}`,
  }
  if (output.kind !== 'rich') return void output.show(bundle)
  showWithPng(output, await withPng(bundle, () => svg(new ChartText(), '#3d4450'), 'plot'))
}

/** Texts in the page's own font. */
class PlainText implements Writer {
  private readonly measure = new ChartText()

  width(text: string, size: number): number {
    return this.measure.width(text, size)
  }

  at(x: number, y: number, text: string, { size, fill, anchor = 'start', rotate }: TextStyle): string {
    const turn = rotate ? ` transform="rotate(${rotate} ${x.toFixed(1)} ${y.toFixed(1)})"` : ''
    return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-family="sans-serif" font-size="${size}" fill="${fill}" text-anchor="${anchor}"${turn}>${escapeHtml(text)}</text>`
  }

  defs(): string {
    return ''
  }
}

const ink = 'currentColor'

function labels({ title, x_label, y_label }: Labels, text: Writer): string {
  const middle = (box.left + box.right) / 2
  return [
    title && text.at(box.left, 26, title, { size: 16, fill: ink }),
    x_label && text.at(middle, HEIGHT - 10, x_label, { size: 12, fill: ink, anchor: 'middle' }),
    y_label &&
      text.at(16, (box.top + box.bottom) / 2, y_label, {
        size: 12,
        fill: ink,
        anchor: 'middle',
        rotate: -90,
      }),
  ]
    .filter(Boolean)
    .join('')
}

async function drawing(spec: PlotSpec): Promise<{ draw: Draw; text: string }> {
  switch (spec.type) {
    case 'histogram': {
      const { edges, counts } = bin(await numbersOf('values', spec.values), spec.bins ?? 40)
      return { draw: (text) => bars(counts, { edges }, text), text: describe('', counts) }
    }
    case 'bars': {
      const y = await numbersOf('y', spec.y)
      sameLength('x', spec.x.length, y.length)
      return { draw: (text) => bars(y, { names: spec.x.map(String) }, text), text: describe('', y) }
    }
    case 'lines': {
      const given = isNamed(spec.y) ? Object.entries(spec.y) : [['', spec.y] as const]
      const lines = await Promise.all(
        given.map(async ([name, y]) => ({ name, y: await numbersOf(`y ${name}`.trim(), y) })),
      )
      const x = spec.x === undefined ? lines[0]!.y.map((_, i) => i) : await numbersOf('x', spec.x)
      for (const { name, y } of lines) sameLength(`y ${name}`.trim(), y.length, x.length)
      return {
        draw: (text) => curves(x, lines, text),
        text: lines.map(({ name, y }) => describe(name, y)).join('\n'),
      }
    }
    case 'heatmap': {
      const { rows, by } = pooled(await rowsOf(spec.z))
      return {
        draw: (text) => cells(rows, { x: spec.x, y: spec.y, by }, text),
        text: rows.map((row) => sparkline(row, 60)).join('\n'),
      }
    }
  }
}

const isNamed = (y: Numbers | Record<string, Numbers>): y is Record<string, Numbers> =>
  typeof y === 'object' && Object.getPrototypeOf(y) === Object.prototype

function describe(name: string, y: readonly number[]): string {
  const [low, high] = extent(y.filter(Number.isFinite))
  return `  ${name ? `${name}  ` : ''}${sparkline(y)}  ${formatNumber(low)} to ${formatNumber(high)}`
}

function sameLength(what: string, got: number, wanted: number): void {
  if (got !== wanted) throw new RangeError(`[plot] ${what} has ${got} entries where ${wanted} are needed`)
}

async function rowsOf(z: readonly Numbers[] | Numbers): Promise<number[][]> {
  const shape = (z as { shape?: readonly number[] }).shape
  if (shape) {
    if (shape.length !== 2)
      throw new RangeError(`[plot] z: the tensor has the shape (${shape.join(', ')}); needs two dimensions`)
    const all = await numbersOf('z', z as Numbers)
    return Array.from({ length: shape[0]! }, (_, i) => all.slice(i * shape[1]!, (i + 1) * shape[1]!))
  }
  const rows = await Promise.all(
    Array.from(z as readonly Numbers[], (row, i) => numbersOf(`z row ${i}`, row)),
  )
  for (const [i, row] of rows.entries()) sameLength(`z row ${i}`, row.length, rows[0]!.length)
  return rows
}

/** Scale of an axis and its ticks. */
function scale(
  low: number,
  high: number,
  from: number,
  to: number,
  count: number,
): { at: (v: number) => number; ticks: number[] } {
  const ticks = niceTicks(low, high, count)
  const [first, last] = [ticks[0]!, ticks.at(-1)!]
  return { at: (v) => from + ((v - first) / (last - first)) * (to - from), ticks }
}

function yAxis({ at, ticks }: ReturnType<typeof scale>, text: Writer): string {
  return ticks
    .map((tick) => {
      const y = at(tick)
      return `<path d="M${box.left} ${y.toFixed(1)}H${box.right}" stroke="${ink}" stroke-opacity="0.15"/>${text.at(box.left - 6, y + 4, formatNumber(tick), { size: 11, fill: ink, anchor: 'end' })}`
    })
    .join('')
}

function xAxis({ at, ticks }: ReturnType<typeof scale>, text: Writer): string {
  return ticks
    .map((tick) =>
      text.at(at(tick), box.bottom + 16, formatNumber(tick), { size: 11, fill: ink, anchor: 'middle' }),
    )
    .join('')
}

function bars(
  values: readonly number[],
  { edges, names }: { edges?: number[]; names?: string[] },
  text: Writer,
): string {
  const y = scale(...extent([0, ...values]), box.bottom, box.top, 5)
  const width = (box.right - box.left) / values.length
  const gap = edges ? 0.5 : width * 0.15
  const rects = values.map((value, i) => {
    const [a, b] = [y.at(0), y.at(value)]
    const what = edges ? `${formatNumber(edges[i]!)} to ${formatNumber(edges[i + 1]!)}` : names![i]!
    return `<rect x="${(box.left + i * width + gap).toFixed(1)}" y="${Math.min(a, b).toFixed(1)}" width="${Math.max(0.5, width - 2 * gap).toFixed(1)}" height="${Math.abs(a - b).toFixed(1)}" fill="${colors[0]}"><title>${escapeHtml(`${what}: ${formatNumber(value)}`)}</title></rect>`
  })
  const every = names ? Math.ceil((Math.max(...names.map((name) => text.width(name, 11))) + 8) / width) : 1
  const below = edges
    ? xAxis(edgeScale(edges), text)
    : names!
        .map((name, i) =>
          i % every === 0
            ? text.at(box.left + (i + 0.5) * width, box.bottom + 16, name, {
                size: 11,
                fill: ink,
                anchor: 'middle',
              })
            : '',
        )
        .join('')
  return yAxis(y, text) + rects.join('') + below
}

/** The bins fill the width exactly, so ticks beyond their ends are left out. */
function edgeScale(edges: readonly number[]): ReturnType<typeof scale> {
  const [low, high] = [edges[0]!, edges.at(-1)!]
  const at = (v: number): number => box.left + ((v - low) / (high - low)) * (box.right - box.left)
  return { at, ticks: niceTicks(low, high, 7).filter((tick) => tick >= low && tick <= high) }
}

function curves(
  x: readonly number[],
  lines: readonly { name: string; y: readonly number[] }[],
  text: Writer,
): string {
  const all = lines.flatMap(({ y }) => y).filter(Number.isFinite)
  const [low, high] = extent(all)
  const yScale = scale(low, high, box.bottom, box.top, 5)
  const xScale = edgeScale(x.length > 1 ? extent(x) : [x[0]! - 1, x[0]! + 1])
  let place = box.right
  const names = [...lines].reverse().map(({ name }, i) => {
    if (!name) return ''
    place -= text.width(name, 12) + 30
    const color = colors[(lines.length - 1 - i) % colors.length]!
    return `<path d="M${place.toFixed(1)} 36h18" stroke="${color}" stroke-width="2.5"/>${text.at(place + 22, 40, name, { size: 12, fill: ink })}`
  })
  const drawn = lines.map(({ y }, i) => {
    const points = y.flatMap((v, j) =>
      Number.isFinite(v) ? [`${xScale.at(x[j]!).toFixed(1)},${yScale.at(v).toFixed(1)}`] : [],
    )
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colors[i % colors.length]}" stroke-width="2" stroke-linejoin="round"/>`
  })
  return yAxis(yScale, text) + xAxis(xScale, text) + names.join('') + drawn.join('')
}

/** Blue above zero, red below; without negative numbers from nothing to blue. */
function cells(
  rows: readonly number[][],
  { x, y, by }: { x?: readonly string[] | undefined; y?: readonly string[] | undefined; by: number },
  text: Writer,
): string {
  const most = Math.max(...extent(rows.flat()).map(Math.abs)) || 1
  const [w, h] = [(box.right - box.left) / rows[0]!.length, (box.bottom - box.top) / rows.length]
  const rects = rows.flatMap((row, i) =>
    row.map((value, j) => {
      const fill = value < 0 ? '#d6453d' : '#2f7fd1'
      const name = `${y?.[i] ?? i * by}, ${x?.[j] ?? j * by}: ${formatNumber(value)}`
      return `<rect x="${(box.left + j * w).toFixed(2)}" y="${(box.top + i * h).toFixed(2)}" width="${(w + 0.05).toFixed(2)}" height="${(h + 0.05).toFixed(2)}" fill="${fill}" fill-opacity="${(Math.abs(value) / most).toFixed(3)}"><title>${escapeHtml(name)}</title></rect>`
    }),
  )
  const everyX = x
    ? Math.ceil((Math.max(...x.map((name) => text.width(name, 11))) + 6) / w)
    : Math.ceil(rows[0]!.length / 8)
  const everyY = Math.ceil((y ? 14 : (box.bottom - box.top) / 6) / h)
  const names = [
    ...rows[0]!.map((_, j) =>
      j % everyX === 0
        ? text.at(box.left + (j + 0.5) * w, box.bottom + 16, x?.[j] ?? String(j * by), {
            size: 11,
            fill: ink,
            anchor: 'middle',
          })
        : '',
    ),
    ...rows.map((_, i) =>
      i % everyY === 0
        ? text.at(box.left - 6, box.top + (i + 0.5) * h + 4, y?.[i] ?? String(i * by), {
            size: 11,
            fill: ink,
            anchor: 'end',
          })
        : '',
    ),
  ]
  return rects.join('') + names.join('')
}
