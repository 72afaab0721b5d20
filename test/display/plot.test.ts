import { JSDOM } from 'jsdom'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { plot, type PlotSpec } from '../../src/display/plot'
import { bin, pooled } from '../../src/display/plot-data'
import { Tensor } from '../../src/tensor/tensor'
import { fakeNotebook } from './fake-output'

type Without<T> = T extends unknown ? Omit<T, 'output'> : never

async function drawn(spec: Without<PlotSpec>): Promise<{ svg: Document; png: Uint8Array; text: string }> {
  const output = fakeNotebook(true)
  await plot({ ...spec, output } as PlotSpec)
  const bundle = output.outputs[0]![0]!
  const svg = new JSDOM(String(bundle['text/html'])).window.document
  return { svg, png: bundle['image/png'] as Uint8Array, text: bundle['text/plain'] }
}

const heights = (svg: Document): number[] =>
  [...svg.querySelectorAll('rect')].map((rect) => Number(rect.getAttribute('height')))
const titles = (svg: Document): string[] =>
  [...svg.querySelectorAll('rect title')].map((title) => title.textContent)

describe('plot', () => {
  it('a histogram of a tensor: bars as high as the counts', async () => {
    using values = Tensor.from(Float32Array.from([0, 0.1, 0.2, 0.9, 1]))
    const { svg, png } = await drawn({ type: 'histogram', values, bins: 2, title: 'errors', x_label: 'size' })
    expect(titles(svg)).toEqual(['0 to 0.5: 3', '0.5 to 1: 2'])
    const [three, two] = heights(svg)
    expect(three! / two!).toBeCloseTo(1.5, 2)
    const texts = [...svg.querySelectorAll('text')].map((text) => text.textContent)
    expect(texts).toEqual(expect.arrayContaining(['errors', 'size', '0', '1']))
    expect((await sharp(png).metadata()).width).toBe(1280)
  })

  it('bars, also below zero', async () => {
    const { svg } = await drawn({ type: 'bars', x: ['a', 'b'], y: [2, -1] })
    expect(titles(svg)).toEqual(['a: 2', 'b: -1'])
    const [a, b] = [...svg.querySelectorAll('rect')].map((rect) => Number(rect.getAttribute('y')))
    expect(a! + heights(svg)[0]!).toBeCloseTo(b!, 0)
  })

  it('lines by name, the first point to the left, and a hole where a value is none', async () => {
    const { svg, text } = await drawn({
      type: 'lines',
      x: [10, 20, 30],
      y: { up: [1, 2, 3], down: [3, NaN, 1] },
    })
    const lines = [...svg.querySelectorAll('polyline')].map((line) =>
      line
        .getAttribute('points')!
        .split(' ')
        .map((point) => point.split(',').map(Number)),
    )
    expect(lines.map((points) => points.length)).toEqual([3, 2])
    expect(lines[0]![0]![0]).toBe(64)
    expect(lines[0]![2]![0]).toBe(624)
    expect(lines[0]![0]![1]).toBe(lines[1]![1]![1])
    expect(text).toMatch(/up {2}▁[▄▅]█ {2}1 to 3/)
  })

  it('a heat map: strength is the share of the largest, colour the sign', async () => {
    const { svg } = await drawn({
      type: 'heatmap',
      z: [
        [0, 1],
        [-2, 0.5],
      ],
      x: ['p', 'q'],
      y: ['r', 's'],
    })
    const rects = [...svg.querySelectorAll('rect')]
    expect(rects.map((rect) => Number(rect.getAttribute('fill-opacity')))).toEqual([0, 0.5, 1, 0.25])
    expect(rects[2]!.getAttribute('fill')).not.toBe(rects[1]!.getAttribute('fill'))
    expect(titles(svg)).toEqual(['r, p: 0', 'r, q: 1', 's, p: -2', 's, q: 0.5'])
    using z = Tensor.from(Float32Array.from([1, 2, 3, 4, 5, 6]), { shape: [2, 3] })
    expect(titles((await drawn({ type: 'heatmap', z })).svg)).toHaveLength(6)
  })

  it.each<[object, RegExp]>([
    [{ type: 'pie' }, /type: got pie, needs one of 'histogram', 'bars'/],
    [{ type: 'bars', x: ['a'], y: [1, 2] }, /x has 1 entries where 2 are needed/],
    [{ type: 'histogram', values: [] }, /values is empty/],
    [{ type: 'histogram', values: [1], bins: 0 }, /bins: got 0/],
    [{ type: 'lines', y: [NaN] }, /no finite number/],
    [{ type: 'heatmap', z: [[1], [1, 2]] }, /z row 1 has 2 entries where 1/],
    [{ type: 'lines', y: [1], colour: 'red' }, /unknown option 'colour'/],
  ])('refuses %j', async (spec, message) => {
    await expect(plot(spec as never)).rejects.toThrow(message)
  })
})

describe('its data', () => {
  it('every value is in one bin', () => {
    const { edges, counts } = bin([1, 1, 1], 4)
    expect(counts.reduce((a, b) => a + b)).toBe(3)
    expect([edges[0], edges.at(-1)]).toEqual([0.5, 1.5])
  })

  it('large matrices become means of squares', () => {
    const rows = Array.from({ length: 256 }, (_, i) => Array.from({ length: 200 }, () => i % 2))
    const small = pooled(rows)
    expect([small.by, small.rows.length, small.rows[0]!.length]).toEqual([2, 128, 100])
    expect(new Set(small.rows.flat())).toEqual(new Set([0.5]))
  })
})
