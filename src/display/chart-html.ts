import { readFileSync } from 'node:fs'
import { axisTicks, type AxisName, type Series } from './chart-data'
import { axisTitles, chartSvg } from './chart-svg'
import { escapeHtml } from './format'
import { scriptData } from './page-script'

const height = 420

/**
 * Script that defines `window.Plotly`, once per page. It is plotly.js's own basic bundle (1.2 MB: scatter, bar,
 * pie) of the same release as plotly.js-dist, whose 10 MB would be stored in every notebook.
 */
export function plotlyHtml(): string {
  const source = readFileSync(require.resolve('plotly.js-basic-dist-min'), 'utf8')
  return `<script>if (!window.Plotly) {\n${source.replace(/<\/(script)/gi, '<\\/$1')}\n}</script>`
}

/**
 * The chart as HTML: an `<img>`, shown when scripts are removed or plotly is missing, and a script that
 * replaces it by the interactive chart. Every frame is complete. A later frame with the same `id` takes over
 * the existing plot and calls `Plotly.react`, so that zoom and hover survive an update and nothing flickers.
 */
export function chartHtml(id: string, series: readonly Series[], title: string): string {
  const image = `data:image/svg+xml;base64,${Buffer.from(chartSvg(series, { title, height })).toString('base64')}`
  const figure = scriptData({ id, data: traces(series), layout: layout(series, title) })
  return (
    `<div class="qlora-chart" style="min-height:${height}px">` +
    `<img src="${image}" alt="${escapeHtml(title)}" style="max-width:100%;height:auto;display:block">` +
    `<div class="qlora-plot" style="height:${height}px;display:none"></div>` +
    `<script>(${drawInPage.toString()})(${figure})</script></div>`
  )
}

function traces(series: readonly Series[]): object[] {
  const axes: Record<AxisName, string> = { loss: 'y', learning_rate: 'y2', grad_norm: 'y3' }
  return series.map((line) => ({
    type: 'scatter',
    mode: line.markers || line.x.length === 1 ? 'lines+markers' : 'lines',
    name: line.name,
    x: line.x,
    y: line.y,
    yaxis: axes[line.axis],
    line: {
      color: line.color,
      width: line.width,
      dash: line.dash ? line.dash.replace(/\d+/g, '$&px') : 'solid',
    },
    marker: { color: line.color, size: 7 },
    hovertemplate: '%{y:.4~g}',
  }))
}

function layout(series: readonly Series[], title: string): object {
  const colorOf = (axis: AxisName): string | undefined => series.find((line) => line.axis === axis)?.color
  // Explicit ranges: for a constant line plotly shows -1 to 1, whatever the value.
  const ends = (ticks: number[]): number[] => [ticks[0]!, ticks.at(-1)!]
  const axis = (name: AxisName): object => ({
    range: ends(axisTicks(series, name)),
    title: { text: axisTitles[name], font: { color: colorOf(name) }, standoff: 6 },
    tickfont: { color: colorOf(name) },
    tickmode: 'auto', // not plotly's 'sync' with the first axis, which gives odd values
    nticks: 7,
    exponentformat: 'e',
    zeroline: false,
  })
  const [rate, norm] = [colorOf('learning_rate'), colorOf('grad_norm')]
  const right = { side: 'right', overlaying: 'y', showgrid: false, showline: true, automargin: true }
  return {
    title: { text: escapeHtml(title), x: 0, xref: 'paper', xanchor: 'left', font: { size: 18 } },
    height,
    // Plotly's automargin ignores the title of a shifted axis, which would be cut off.
    margin: { l: 64, r: rate && norm ? 128 : 24, t: 84, b: 48 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    hovermode: 'x unified',
    uirevision: 'keep',
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: 'rgba(128,128,128,0.6)', activecolor: 'rgba(128,128,128,1)' },
    legend: { orientation: 'h', x: 0, y: 1.02, xanchor: 'left', yanchor: 'bottom' },
    xaxis: { title: { text: 'step', standoff: 8 }, zeroline: false, ...(span(series) < 8 && { dtick: 1 }) },
    yaxis: axis('loss'),
    ...(rate && { yaxis2: { ...axis('learning_rate'), ...right, linecolor: rate } }),
    ...(norm && {
      yaxis3: {
        ...axis('grad_norm'),
        ...right,
        linecolor: norm,
        // A fixed position: plotly's autoshift is one frame late, and the line then crosses the neighbour's
        // title.
        ...(rate && { anchor: 'free', position: 1, shift: 68 }),
      },
    }),
  }
}

/** Steps between the first and the last point; with few steps there are no ticks at halves. */
function span(series: readonly Series[]): number {
  return Math.max(...series.map(({ x }) => x.at(-1)!)) - Math.min(...series.map(({ x }) => x[0]!))
}

/** Runs in the page: it must not use anything outside its own body. */
function drawInPage(figure: { id: string; data: object[]; layout: Record<string, unknown> }): void {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  const page = globalThis as any
  const root = page.document.currentScript && page.document.currentScript.parentElement
  if (!root) return
  const plots = page.qloraCharts || (page.qloraCharts = {})
  let tries = 0
  const draw = function (): void {
    if (!page.Plotly) {
      // The library may be in a later or slower output of the same page; otherwise the image stays.
      if (tries++ < 50) setTimeout(draw, 200)
      return
    }
    let plot = root.querySelector('.qlora-plot')
    if (!plot) return
    const living = plots[figure.id]
    if (living && !living.isConnected) {
      plot.replaceWith(living)
      plot = living
    }
    plots[figure.id] = plot
    root.querySelector('img').style.display = 'none'
    plot.style.display = 'block'
    const lines = 'rgba(128,128,128,0.25)'
    const layout = figure.layout as any
    layout.font = { color: page.getComputedStyle(root).color, size: 12 }
    layout.xaxis.gridcolor = layout.yaxis.gridcolor = lines
    // Plotly's hover box is white by default; use the page's background under the text colour.
    const dark = /^rgba?\((\d+)/.exec(layout.font.color)
    layout.hoverlabel = { bgcolor: dark && Number(dark[1]) > 127 ? '#22272e' : '#ffffff', font: layout.font }
    page.Plotly.react(plot, figure.data, layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ['select2d', 'lasso2d'],
    })
  }
  draw()
  /* eslint-enable */
}
