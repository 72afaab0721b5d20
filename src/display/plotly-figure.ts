import { scriptData } from './page-script'
import type { MimeBundle } from './output'

export const plotlyMime = 'application/vnd.plotly.v1+json'

/** What the bundle of plotly.js that is sent can draw. */
const drawable: ReadonlySet<unknown> = new Set([undefined, 'scatter', 'bar', 'pie'])

interface Figure {
  data: Record<string, unknown>[]
  layout?: Record<string, unknown>
}

/**
 * A bundle with a plotly figure gets HTML that draws it, once the page has plotly.js: plain JupyterLab has no renderer for the JSON.
 * @throws TypeError when `data` is no list, or holds a trace of another type than scatter, bar and pie.
 */
export function withFigure(bundle: Partial<MimeBundle>): Partial<MimeBundle> {
  const given: unknown = bundle[plotlyMime]
  if (given === undefined || bundle['text/html'] !== undefined) return bundle
  const figure = (typeof given === 'string' ? JSON.parse(given) : given) as Figure
  if (!Array.isArray(figure?.data))
    throw new TypeError(`[display] ${plotlyMime}: the figure has no list 'data'`)
  const other = figure.data.find(({ type }) => !drawable.has(type))
  if (other)
    throw new TypeError(
      `[display] a trace of type '${String(other['type'])}' cannot be drawn: plotly's basic bundle has scatter, bar and pie; plot({ type: 'heatmap' }) draws heat maps`,
    )
  const { data, layout = {} } = figure
  return {
    ...bundle,
    [plotlyMime]: JSON.stringify({ data, layout }),
    'text/html': `<div class="qlora-figure" style="min-height:${Number(layout['height']) || 450}px"><script>(${drawFigure.toString()})(${scriptData({ data, layout })})</script></div>`,
    'text/plain':
      bundle['text/plain'] ?? `a figure of ${data.length} ${data.length === 1 ? 'trace' : 'traces'}`,
  }
}

/** Runs in the page: it may use nothing from outside its own body. */
function drawFigure(figure: { data: object[]; layout: object }): void {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  const page = globalThis as any
  const root = page.document.currentScript && page.document.currentScript.parentElement
  if (!root) return
  let tries = 0
  const draw = function (): void {
    // The library may be in an output that is slower.
    if (!page.Plotly) return void (tries++ < 50 && setTimeout(draw, 200))
    const layout = { paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', ...figure.layout } as any
    layout.font = { color: page.getComputedStyle(root).color, ...layout.font }
    page.Plotly.newPlot(root, figure.data, layout, { responsive: true, displaylogo: false })
  }
  draw()
  /* eslint-enable */
}
