import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type * as LossCharts from '../../src/display/loss-chart'
import type * as PlotLoss from '../../src/display/plot-loss'
import { streamOutput } from '../../src/display/output'
import { fakeNotebook, fakeStream, figureOf } from './fake-output'

const rows = Array.from({ length: 10 }, (_, i) => ({
  step: i + 1,
  loss: 2 - i / 10,
  grad_norm: 1,
  learning_rate: 1e-4,
}))

// The plotly library is sent once a process: each test gets its own copy of the module.
async function load(): Promise<typeof LossCharts & typeof PlotLoss> {
  vi.resetModules()
  return {
    ...(await import('../../src/display/loss-chart')),
    ...(await import('../../src/display/plot-loss')),
  }
}

describe('LossChart', () => {
  beforeEach(() => void vi.useFakeTimers({ now: 0 }))
  afterEach(() => void vi.useRealTimers())

  it('redraws one output in place, at most twice a second, and ends complete', async () => {
    const { LossChart } = await load()
    const notebook = fakeNotebook()
    const chart = new LossChart({ title: 'Run', output: notebook })
    for (const row of rows) {
      chart.add(row)
      vi.advanceTimersByTime(100)
    }
    const [library, frames] = notebook.outputs
    expect(library![0]!['text/html']).toContain('window.Plotly')
    expect(frames).toHaveLength(3) // 0, 500 and 1,000 ms
    chart.add({ step: 11, loss: 0.5 })
    chart.end()
    vi.advanceTimersByTime(5_000)
    expect(notebook.outputs).toHaveLength(2)
    expect(frames).toHaveLength(4)
    const figures = frames!.map((frame) => figureOf(frame['text/html'] as string))
    expect(figures.map((figure) => (figure.data[0]!['x'] as number[]).length)).toEqual([1, 5, 10, 11])
    expect(new Set(figures.map((figure) => figure.id)).size).toBe(1)
    expect(frames!.at(-1)!['text/plain']).toContain('2 -> 0.5')
  })

  it('sends the library once for several charts, and nothing for a run without rows', async () => {
    const { LossChart } = await load()
    const notebook = fakeNotebook()
    new LossChart({ output: notebook }).end()
    expect(notebook.outputs).toHaveLength(0)
    for (const title of ['a', 'b']) {
      const chart = new LossChart({ title, output: notebook })
      chart.add(rows[0]!)
      chart.end()
    }
    expect(notebook.outputs.map(([first]) => first!['text/plain'].split(',')[0])).toEqual([
      '(plotly.js)',
      'a',
      'b',
    ])
  })

  it('takes its height before the first row, and keeps the axis to the last step', async () => {
    const { LossChart } = await load()
    const notebook = fakeNotebook()
    const chart = new LossChart({ output: notebook, max_steps: 50 })
    chart.begin()
    expect(notebook.outputs[1]![0]!['text/html']).toContain('min-height:420px')
    chart.add(rows[0]!)
    chart.end()
    const frames = notebook.outputs[1]!.map((frame) => figureOf(frame['text/html'] as string))
    expect(frames.map(({ layout }) => (layout['xaxis'] as { range: number[] }).range)).toEqual([
      [1, 50],
      [1, 50],
      [1, 50],
    ])
  })

  it('prints one summary at the end outside notebooks', async () => {
    const { LossChart } = await load()
    const pipe = fakeStream(false)
    const chart = new LossChart({ title: 'Run', output: streamOutput(pipe) })
    for (const row of rows) chart.add(row)
    chart.end()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(pipe.text().match(/Run, steps 1 to 10/g)).toHaveLength(1)
  })
})

describe('plot_loss', () => {
  it('shows the chart and, where one output has one form, the PNG as an output of its own', async () => {
    const { plot_loss } = await load()
    const notebook = fakeNotebook()
    await plot_loss(rows, { title: 'Final', output: notebook })
    expect(notebook.outputs.map(([first]) => Object.keys(first!).sort())).toEqual([
      ['text/html', 'text/plain'],
      ['text/html', 'text/plain'],
      ['image/png', 'text/plain'],
    ])
    const png = await sharp(notebook.outputs[2]![0]!['image/png'] as Uint8Array).metadata()
    expect([png.format, png.width, png.height]).toEqual(['png', 1720, 840])
  })

  it('puts the PNG into the same bundle where a kernel takes bundles', async () => {
    const { plot_loss } = await load()
    const notebook = fakeNotebook(true)
    await plot_loss(rows, { output: notebook })
    expect(Object.keys(notebook.outputs[1]![0]!).sort()).toEqual(['image/png', 'text/html', 'text/plain'])
  })

  it('prints the summary in a pipe', async () => {
    const { plot_loss } = await load()
    const pipe = fakeStream(false)
    await plot_loss(rows, { output: streamOutput(pipe) })
    expect(pipe.text()).toMatch(/^Training, steps 1 to 10\n/)
  })

  it('throws where no row has a loss', async () => {
    const { plot_loss } = await load()
    await expect(plot_loss([{ step: 1, learning_rate: 1 }], { output: fakeNotebook() })).rejects.toThrow(
      /\[plot_loss\] none of the 1 rows/,
    )
  })

  it('of several runs, by list and by name', async () => {
    const { plot_loss } = await load()
    const notebook = fakeNotebook(true)
    await plot_loss([rows, rows.slice(0, 5)], { output: notebook, names: ['long', 'short'] })
    await plot_loss(
      { a: rows, b: { state: { log_history: rows }, status: () => ({ training: false }) as never } },
      { output: notebook },
    )
    const names = (at: number): unknown[] =>
      figureOf(notebook.outputs[at]![0]!['text/html'] as string).data.map((trace) => trace['name'])
    expect(names(1)).toEqual(['long', 'long', 'short'])
    expect(names(2)).toEqual(['a', 'a', 'b', 'b'])
    await expect(plot_loss([rows, rows], { names: ['one'] })).rejects.toThrow(
      /names has 1 entries for 2 runs/,
    )
    await expect(plot_loss({ rows: 3 } as never)).rejects.toThrow(/give trainer.state.log_history, a trainer/)
  })

  it('of runs that train, grows until they have ended', async () => {
    const { plot_loss } = await load()
    const notebook = fakeNotebook(true)
    let training = true
    const history = rows.slice(0, 2)
    const trainer = { state: { log_history: history }, status: () => ({ training, max_steps: 10 }) as never }
    const plotted = plot_loss([trainer, rows], { output: notebook })
    history.push(...rows.slice(2))
    setTimeout(() => (training = false), 1500)
    await plotted
    const frames = notebook.outputs[1]!
    const points = frames.map((frame) => figureOf(frame['text/html'] as string).data[0]!['x'] as number[])
    expect(points[0]).toHaveLength(2)
    expect(points.at(-1)).toHaveLength(10)
    expect(frames.length).toBeGreaterThanOrEqual(3)
    expect(frames.at(-1)!['image/png']).toBeDefined()
  })
})
