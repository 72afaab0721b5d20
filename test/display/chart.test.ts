import { JSDOM } from 'jsdom'
import sharp from 'sharp'
import { describe, expect, it, vi } from 'vitest'
import { axisTicks, niceTicks, runSeries, seriesOf, smoothed, thin } from '../../src/display/chart-data'
import { chartHtml, plotlyHtml } from '../../src/display/chart-html'
import { svgToPng } from '../../src/display/chart-png'
import { chartText, sparkline } from '../../src/display/chart-summary'
import { chartSvg } from '../../src/display/chart-svg'
import { ChartText } from '../../src/display/chart-text'
import { figureOf, imageOf } from './fake-output'

const history = Array.from({ length: 20 }, (_, i) => ({
  step: i + 1,
  loss: 3 - i / 10,
  learning_rate: 2e-4 * (1 - i / 20),
  grad_norm: 1 + (i % 3),
}))
const withEval = [...history, { step: 10, eval_loss: 2.5 }, { step: 20, eval_loss: 2.25 }]

describe('seriesOf', () => {
  it('takes each key as a line by step and leaves out non-finite values and rows without it', () => {
    const rows = [...withEval, { step: 21, loss: Number.NaN }, { loss: 1 }, { step: 22, train_loss: 2 }]
    const series = seriesOf(rows, 1_000)
    expect(series.map((line) => [line.name, line.axis, line.x.length])).toEqual([
      ['training loss', 'loss', 20],
      ['smoothed', 'loss', 20],
      ['evaluation loss', 'loss', 2],
      ['learning rate', 'learning_rate', 20],
      ['gradient norm', 'grad_norm', 20],
    ])
    expect(series[0]!.faint).toBe(true)
    expect(series[2]).toMatchObject({ x: [10, 20], y: [2.5, 2.25], markers: true })
    expect(seriesOf(history.slice(0, 7), 9).map((line) => line.name)).not.toContain('smoothed')
  })

  it('smooths as TensorBoard does: the first value as it is, a constant as it is', () => {
    expect(smoothed([3, 3, 3])).toEqual([3, 3, 3])
    const [first, second, third] = smoothed([1, 2, 4], 0.5)
    expect([first, second, third]).toEqual([1, (0.5 * 1 + 2) / 1.5, (0.25 * 1 + 0.5 * 2 + 4) / 1.75])
  })

  it('of several runs: a colour each, one name each, and evaluations as points', () => {
    const lines = runSeries(
      [
        { name: 'r = 4', history: withEval },
        { name: 'r = 64', history: history.slice(0, 3) },
      ],
      100,
    )
    expect(lines.map((line) => [line.name, line.unnamed === true, line.x.length])).toEqual([
      ['r = 4', true, 20],
      ['r = 4', false, 20],
      ['r = 4, evaluation', true, 2],
      ['r = 64', false, 3],
    ])
    expect(lines[0]!.color).toBe(lines[1]!.color)
    expect(lines[3]!.color).not.toBe(lines[0]!.color)
  })

  it('thins long lines but keeps ends and spikes', () => {
    const x = Array.from({ length: 10_000 }, (_, i) => i)
    const y = x.map((i) => (i === 4_321 ? 99 : i === 777 ? -99 : Math.sin(i)))
    const kept = thin(x, y, 100)
    expect(kept.x.length).toBeLessThanOrEqual(100)
    expect([kept.x[0], kept.x.at(-1)]).toEqual([0, 9_999])
    expect(kept.y).toEqual(expect.arrayContaining([99, -99]))
    expect(kept.x).toEqual([...kept.x].sort((a, b) => a - b))
    expect(thin([1, 2], [3, 4], 100)).toEqual({ x: [1, 2], y: [3, 4] })
  })
})

describe('ticks', () => {
  it('are round and enclose the values', () => {
    expect(niceTicks(0, 2e-4, 5)).toEqual([0, 5e-5, 1e-4, 1.5e-4, 2e-4])
    expect(niceTicks(5.26, 15.8, 5)).toEqual([5, 7.5, 10, 12.5, 15, 17.5])
    expect(niceTicks(-1, 1, 4)).toEqual([-1, -0.5, 0, 0.5, 1])
  })

  it('give a constant line and a single point room', () => {
    const ticks = axisTicks(seriesOf([{ step: 1, learning_rate: 1e-4 }], 10), 'learning_rate')
    expect(ticks[0]).toBeLessThan(1e-4)
    expect(ticks.at(-1)).toBeGreaterThan(1e-4)
    expect(niceTicks(0, 0, 5)[0]).toBe(-1)
  })
})

describe('chartSvg', () => {
  const parse = (svg: string): Document => new JSDOM(svg, { contentType: 'image/svg+xml' }).window.document

  it('is well-formed, draws each line inside the plot and needs no font', () => {
    const document = parse(chartSvg(seriesOf(withEval, 100), { title: 'a < b & "c"' }))
    expect(document.querySelector('title')!.textContent).toBe('a < b & "c"')
    const lines = [...document.querySelectorAll('polyline')]
    // Loss, smoothed, learning rate, gradient norm; evaluations are two points and one in the legend.
    expect(lines).toHaveLength(4)
    expect(document.querySelectorAll('circle')).toHaveLength(3)
    for (const line of lines) {
      for (const point of line.getAttribute('points')!.split(' ')) {
        const [x, y] = point.split(',').map(Number) as [number, number]
        expect(x >= 70 && x <= 836 && y >= 76 && y <= 392, point).toBe(true)
      }
    }
    // Loss falls on the page from top to bottom: SVG's y grows downwards.
    const loss = lines[0]!
      .getAttribute('points')!
      .split(' ')
      .map((point) => Number(point.split(',')[1]))
    expect(loss).toEqual([...loss].sort((a, b) => a - b))
    expect(document.querySelectorAll('text')).toHaveLength(0)
    const uses = [...document.querySelectorAll('use')].map((use) => use.getAttribute('href')!.slice(1))
    for (const id of uses) expect(document.getElementById(id), id).not.toBeNull()
  })

  it('leaves room for the steps to come', () => {
    const right = (lastStep?: number): number => {
      const svg = parse(chartSvg(seriesOf(history, 100), { title: 't', lastStep }))
      const points = svg.querySelector('polyline')!.getAttribute('points')!.split(' ')
      return Number(points.at(-1)!.split(',')[0])
    }
    expect(right()).toBe(836)
    expect(right(39)).toBeCloseTo(70 + 766 / 2, 1)
  })

  it('falls back to the viewer font for characters without an outline, and measures the rest', () => {
    const text = new ChartText()
    expect(
      parse(
        `<svg xmlns="http://www.w3.org/2000/svg">${text.at(0, 0, 'a漢<', { size: 12, fill: '#000' })}</svg>`,
      ).querySelector('text')!.textContent,
    ).toBe('漢')
    expect(text.width('WW', 10)).toBeGreaterThan(text.width('ii', 10))
  })

  it('draws one step as a dot, and nothing as an empty card', () => {
    expect(
      parse(chartSvg(seriesOf([{ step: 1, loss: 2 }], 10), { title: 't' })).querySelectorAll('circle'),
    ).toHaveLength(1)
    expect(parse(chartSvg([], { title: 't' })).querySelectorAll('polyline')).toHaveLength(0)
  })

  it('becomes a PNG of twice the size whose line colours are there', async () => {
    const png = await svgToPng(chartSvg(seriesOf(history, 100), { title: 'Loss', width: 600, height: 300 }))
    const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true })
    expect([info.width, info.height]).toEqual([1200, 600])
    let blue = 0
    for (let i = 0; i < data.length; i += 3) if (data[i + 2]! > 190 && data[i]! < 90) blue++
    expect(blue).toBeGreaterThan(500)
  })
})

describe('chartHtml', () => {
  const series = seriesOf(withEval, 100)

  it('hands plotly every line on its own axis, and survives a hostile title', () => {
    const html = chartHtml('id', series, '</script><script>alert(1)</script>')
    expect(html.match(/<script>/g)).toHaveLength(1)
    expect(new JSDOM(html).window.document.querySelectorAll('script')).toHaveLength(1)
    const figure = figureOf(html)
    expect(figure.data.map((trace) => trace['yaxis'])).toEqual(['y', 'y', 'y', 'y2', 'y3'])
    expect(figure.data[0]).toMatchObject({ x: series[0]!.x, y: series[0]!.y })
    expect(figure.data[2]).toMatchObject({ mode: 'markers', x: [10, 20] })
    expect(figure.data.map((trace) => trace['showlegend'])).toEqual([
      undefined,
      undefined,
      undefined,
      false,
      false,
    ])
    expect(imageOf(html)).toContain('<polyline')
    const { layout } = figureOf(chartHtml('id', series, 't', 64))
    for (const axis of ['xaxis', 'xaxis2', 'xaxis3']) expect(layout[axis]).toMatchObject({ range: [1, 64] })
  })

  it('without a point yet, has its height and its axis', () => {
    const html = chartHtml('id', [], 't', 64)
    expect(html).toContain('min-height:420px')
    expect(figureOf(html).layout['xaxis']).toMatchObject({ range: [1, 64] })
    expect(figureOf(html).data).toEqual([])
  })

  it('leaves out the axes that have no line', () => {
    const { layout } = figureOf(
      chartHtml(
        'id',
        seriesOf(
          [
            { step: 1, loss: 1 },
            { step: 2, loss: 2 },
          ],
          9,
        ),
        't',
      ),
    )
    expect(Object.keys(layout)).not.toContain('yaxis2')
    expect(layout['yaxis']).toMatchObject({ range: [1, 2] })
  })

  it('in a page: the image gives way to the plot, and a later frame keeps the living plot', () => {
    const { window } = new JSDOM('<body><div id="host"></div></body>', { runScripts: 'dangerously' })
    const calls: Array<{ plot: Element; points: number }> = []
    const react = (plot: Element, data: Array<{ x: number[] }>): void =>
      void calls.push({ plot, points: data[0]!.x.length })
    Object.assign(window, { Plotly: { react } })
    const host = window.document.getElementById('host')!
    const show = (html: string): void => {
      host.innerHTML = html
      for (const script of host.querySelectorAll('script')) {
        // Notebooks do this too: scripts set through innerHTML do not run.
        const copy = window.document.createElement('script')
        copy.textContent = script.textContent
        script.replaceWith(copy)
      }
    }
    show(chartHtml('one', seriesOf(history.slice(0, 5), 100), 't'))
    show(chartHtml('one', seriesOf(history, 100), 't'))
    expect(calls.map((call) => call.points)).toEqual([5, 20])
    expect(calls[1]!.plot).toBe(calls[0]!.plot)
    expect(host.contains(calls[0]!.plot)).toBe(true)
    expect(host.querySelector('img')!.style.display).toBe('none')
    expect(figureOf(chartHtml('one', series, 't')).layout['font']).toBeUndefined()
    show(chartHtml('two', seriesOf(history, 100), 't'))
    expect(calls[2]!.plot).not.toBe(calls[0]!.plot)
    window.close()
  })

  it('in a page whose theme is switched, takes the new colour of text', async () => {
    const { window } = new JSDOM('<body style="color: rgb(0, 0, 0)"><div id="host"></div></body>', {
      runScripts: 'dangerously',
      pretendToBeVisual: true,
    })
    const colors: string[] = []
    type Plot = Element & { data: unknown; layout: { font: { color: string } } }
    const react = (plot: Plot, data: unknown, layout: Plot['layout']): void => {
      Object.assign(plot, { data, layout })
      colors.push(layout.font.color)
    }
    Object.assign(window, { Plotly: { react } })
    const script = window.document.createElement('div')
    script.innerHTML = chartHtml('theme', seriesOf(history, 100), 't')
    window.document.body.append(script)
    const copy = window.document.createElement('script')
    copy.textContent = script.querySelector('script')!.textContent
    script.querySelector('script')!.replaceWith(copy)
    expect(colors).toEqual(['rgb(0, 0, 0)'])
    window.document.body.style.color = 'rgb(230, 230, 230)'
    await vi.waitFor(() => expect(colors).toEqual(['rgb(0, 0, 0)', 'rgb(230, 230, 230)']))
    window.close()
  })

  it('in a page without plotly the image stays', () => {
    const { window } = new JSDOM(chartHtml('one', series, 't'), { runScripts: 'dangerously' })
    expect(window.document.querySelector('img')!.style.display).toBe('block')
    expect(window.document.querySelector<HTMLElement>('.qlora-plot')!.style.display).toBe('none')
    window.close()
  })

  it('loads plotly from the package, guarded, with no address outside', () => {
    const html = plotlyHtml()
    expect(html.startsWith('<script>if (!window.Plotly) {')).toBe(true)
    expect(html.match(/<\/script/gi)).toHaveLength(1)
    expect(html.length).toBeLessThan(1_300_000)
    expect(html).not.toMatch(/<script[^>]*src=/)
  })
})

it('tells the chart in text', () => {
  expect(chartText(seriesOf(withEval, 100), 'Run').split('\n')).toEqual([
    'Run, steps 1 to 20',
    '  training loss    ██▇▇▇▆▆▅▅▅▄▄▄▃▃▂▂▂▁▁  3 -> 1.1, lowest 1.1 at step 20',
    '  smoothed         ██▇▇▇▇▆▆▆▅▅▄▄▄▃▃▂▂▁▁  3 -> 1.477, lowest 1.477 at step 20',
    '  evaluation loss  █▁  2.5 -> 2.25, lowest 2.25 at step 20',
    '  learning rate    ██▇▇▇▆▆▅▅▅▄▄▄▃▃▂▂▂▁▁  2e-4 -> 1e-5, lowest 1e-5 at step 20',
    '  gradient norm    ▁▅█▁▅█▁▅█▁▅█▁▅█▁▅█▁▅  1 -> 2, lowest 1 at step 1',
  ])
  expect(chartText([], 'Run')).toBe('Run: no steps logged yet')
  expect(sparkline([2, 2])).toBe('▁▁')
})
