import { readFileSync } from 'node:fs'
import { axisTicks, type AxisName, type Series } from './chart-data'
import { axisTitles, chartSvg, panelsBelow, stepRange } from './chart-svg'
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
 * The chart as HTML: an `<img>` that shows when scripts are stripped or plotly is missing, and a script that puts the
 * interactive chart in its place. Every frame is complete; a later frame with the same `id` moves the living plot into
 * itself and calls `Plotly.react`, so that zoom and hover survive an update and nothing flickers. `lastStep`: where the axis ends.
 */
export function chartHtml(id: string, series: readonly Series[], title: string, lastStep?: number): string {
  const image = `data:image/svg+xml;base64,${Buffer.from(chartSvg(series, { title, height, lastStep })).toString('base64')}`
  const figure = scriptData({ id, data: traces(series), layout: layout(series, title, lastStep) })
  return (
    `<div class="qlora-chart" style="min-height:${height}px">` +
    `<img src="${image}" alt="${escapeHtml(title)}" style="max-width:100%;height:auto;display:block">` +
    `<div class="qlora-plot" style="height:${height}px;display:none"></div>` +
    `<script>(${drawInPage.toString()})(${figure})</script></div>`
  )
}

/** The loss above, learning rate and gradient norm as small panels below it. */
const axes: Readonly<Record<AxisName, { x: string; y: string }>> = {
  loss: { x: 'x', y: 'y' },
  learning_rate: { x: 'x2', y: 'y2' },
  grad_norm: { x: 'x3', y: 'y3' },
}

function traces(series: readonly Series[]): object[] {
  return series.map((line) => ({
    type: 'scatter',
    mode: line.markers ? 'markers' : line.x.length === 1 ? 'lines+markers' : 'lines',
    name: line.name,
    x: line.x,
    y: line.y,
    xaxis: axes[line.axis].x,
    yaxis: axes[line.axis].y,
    line: {
      color: line.color,
      width: line.width,
      dash: line.dash ? line.dash.replace(/\d+/g, '$&px') : 'solid',
    },
    marker: { color: line.color, size: 8 },
    cliponaxis: false, // the last point is whole
    ...(line.faint && { opacity: 0.35 }),
    ...((line.axis !== 'loss' || line.unnamed) && { showlegend: false }),
    hovertemplate: '%{y:.4~g}',
  }))
}

function layout(series: readonly Series[], title: string, lastStep: number | undefined): object {
  const small = panelsBelow(series)
  const range = stepRange(series, lastStep)
  // Explicit ranges: on a constant line plotly shows -1 to 1, whatever the value.
  const ends = (ticks: number[]): number[] => [ticks[0]!, ticks.at(-1)!]
  const yaxis = (name: AxisName): object => ({
    range: ends(axisTicks(series, name)),
    tickmode: 'auto', // not plotly's 'sync' with the first axis, which gives odd values
    nticks: name === 'loss' ? 7 : 4,
    exponentformat: 'e',
    zeroline: false,
  })
  const xaxis = { range, zeroline: false, ...(range[1]! - range[0]! < 8 && { dtick: 1 }) }
  const panels = small.map((name, i) => {
    const from = i === 0 ? 0 : 0.54
    return {
      [axes[name].x.replace('x', 'xaxis')]: {
        ...xaxis,
        nticks: 5,
        anchor: axes[name].y,
        domain: [from, small.length === 1 ? 1 : from + 0.46],
      },
      [axes[name].y.replace('y', 'yaxis')]: { ...yaxis(name), anchor: axes[name].x, domain: [0, 0.2] },
    }
  })
  return {
    title: { text: escapeHtml(title), x: 0, xref: 'paper', xanchor: 'left', font: { size: 18 } },
    height,
    margin: { l: 64, r: 24, t: 84, b: small.length > 0 ? 28 : 48 },
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    hovermode: 'x unified',
    uirevision: 'keep',
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: 'rgba(128,128,128,0.6)', activecolor: 'rgba(128,128,128,1)' },
    legend: { orientation: 'h', x: 0, y: 1.02, xanchor: 'left', yanchor: 'bottom' },
    xaxis: { ...xaxis, title: { text: 'step', standoff: 4 } },
    yaxis: {
      ...yaxis('loss'),
      title: { text: axisTitles.loss, standoff: 6 },
      domain: [small.length > 0 ? 0.37 : 0, 1],
    },
    ...Object.assign({}, ...panels),
    annotations: small.map((name, i) => ({
      text: axisTitles[name],
      showarrow: false,
      xref: 'paper',
      yref: 'paper',
      x: i === 0 ? 0 : 0.54,
      y: 0.2,
      xanchor: 'left',
      yanchor: 'bottom',
    })),
  }
}

/** Runs in the page, not here: it may use nothing from outside its own body. */
function drawInPage(figure: { id: string; data: object[]; layout: Record<string, unknown> }): void {
  /* eslint-disable @typescript-eslint/no-explicit-any */
  const page = globalThis as any
  const root = page.document.currentScript && page.document.currentScript.parentElement
  if (!root) return
  const plots = page.qloraCharts || (page.qloraCharts = {})
  // Colours are the page's own: when its theme is switched, every plot takes the new ones.
  const paint = function (plot: any, layout: any): void {
    const lines = 'rgba(128,128,128,0.25)'
    const color = page.getComputedStyle(plot.parentElement).color
    layout.font = { color, size: 12 }
    for (const name of Object.keys(layout)) if (/^[xy]axis/.test(name)) layout[name].gridcolor = lines
    // Plotly's hover box is white unless told; take the page's own background under the text colour.
    const red = /^rgba?\((\d+)/.exec(color)
    layout.hoverlabel = { bgcolor: red && Number(red[1]) > 127 ? '#22272e' : '#ffffff', font: layout.font }
  }
  if (!page.qloraThemes && page.MutationObserver) {
    page.qloraThemes = new page.MutationObserver(function () {
      setTimeout(function () {
        for (const plot of Object.values<any>(page.qloraCharts)) {
          if (!plot.isConnected || !plot.layout) continue
          const before = plot.layout.font.color
          paint(plot, plot.layout)
          if (plot.layout.font.color !== before) page.Plotly.react(plot, plot.data, plot.layout)
        }
      }, 300)
    })
    const changes = {
      attributes: true,
      attributeFilter: ['class', 'style', 'data-theme', 'data-jp-theme-light', 'data-jp-theme-name'],
    }
    for (const node of [page.document.documentElement, page.document.body])
      if (node) page.qloraThemes.observe(node, changes)
  }
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
    const layout = figure.layout as any
    paint(plot, layout)
    page.Plotly.react(plot, figure.data, layout, {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ['select2d', 'lasso2d'],
    })
  }
  draw()
  /* eslint-enable */
}
