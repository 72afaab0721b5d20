import sharp from 'sharp'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type * as LossCharts from '../../src/display/loss-chart'
import { streamOutput } from '../../src/display/output'
import { fakeNotebook, fakeStream, figureOf } from './fake-output'

const rows = Array.from({ length: 10 }, (_, i) => ({
  step: i + 1,
  loss: 2 - i / 10,
  grad_norm: 1,
  learning_rate: 1e-4,
}))

// The plotly library is sent once a process: each test gets its own copy of the module.
async function load(): Promise<typeof LossCharts> {
  vi.resetModules()
  return import('../../src/display/loss-chart')
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
})
