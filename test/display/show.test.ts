import { JSDOM } from 'jsdom'
import { expect, it } from 'vitest'
import { streamOutput } from '../../src/display/output'
import { display } from '../../src/display/show'
import { fakeNotebook, fakeStream } from './fake-output'

it('shows a bundle as it is, records as a table, a value by its own method, the rest as text', async () => {
  const output = fakeNotebook(true)
  await display({ 'text/html': '<b>x</b>', 'image/png': new Uint8Array([1]) }, { output })
  await display([{ a: 1 }, { a: 2 }], { output })
  await display(
    { [Symbol.for('Jupyter.display')]: () => Promise.resolve({ 'text/markdown': '*x*' }) },
    { output },
  )
  await display({ a: [1] }, { output })
  await display('text', { output })
  const [bundle, table, own, other, text] = output.outputs.map(([first]) => first!)
  expect(bundle).toMatchObject({ 'text/html': '<b>x</b>', 'image/png': new Uint8Array([1]) })
  expect(bundle!['text/plain']).toContain('text/html')
  expect(table!['text/html']).toContain('<td style="text-align:right')
  expect(own).toMatchObject({ 'text/markdown': '*x*' })
  expect(other).toEqual({ 'text/plain': '{ a: [ 1 ] }' })
  expect(text).toEqual({ 'text/plain': 'text' })
})

it('replaces in place what it showed', async () => {
  const output = fakeNotebook(true)
  const handle = await display('first', { output })
  await handle.update({ 'text/html': '<i>second</i>', 'text/plain': 'second' })
  expect(output.outputs).toEqual([
    [{ 'text/plain': 'first' }, { 'text/html': '<i>second</i>', 'text/plain': 'second' }],
  ])
})

it('prints text where there is no notebook', async () => {
  const stream = fakeStream(false)
  await display([{ a: 1 }], { output: streamOutput(stream) })
  await new Promise((resolve) => setImmediate(resolve))
  expect(stream.text()).toBe('a\n-\n1\n')
})

it('draws a figure of plotly, whose JSON alone JupyterLab does not show', async () => {
  const { window } = new JSDOM('<body></body>', { runScripts: 'dangerously' })
  const drawn: unknown[] = []
  const newPlot = (_: Element, data: unknown, layout: unknown): void => void drawn.push({ data, layout })
  Object.assign(window, { Plotly: { newPlot } })
  const output = fakeNotebook(true)
  const data = [{ type: 'bar', x: ['</script>', 'b'], y: [1, 2] }]
  await display({ 'application/vnd.plotly.v1+json': { data, layout: { height: 300 } } }, { output })
  const [library, shown] = output.outputs.map(([first]) => first!)
  expect(library!['text/plain']).toBe('(plotly.js)')
  expect(shown!['text/plain']).toBe('a figure of 1 trace')
  expect(JSON.parse(String(shown!['application/vnd.plotly.v1+json']))).toEqual({
    data,
    layout: { height: 300 },
  })
  const host = window.document.createElement('div')
  host.innerHTML = String(shown!['text/html'])
  window.document.body.append(host)
  const copy = window.document.createElement('script')
  copy.textContent = host.querySelector('script')!.textContent
  host.querySelector('script')!.replaceWith(copy)
  expect(drawn).toMatchObject([{ data, layout: { height: 300, paper_bgcolor: 'rgba(0,0,0,0)' } }])
  window.close()
  const mime = 'application/vnd.plotly.v1+json'
  await expect(display({ [mime]: { data: [{ type: 'surface' }] } }, { output })).rejects.toThrow(
    /'surface' cannot be drawn/,
  )
  await expect(display({ [mime]: {} }, { output })).rejects.toThrow(/no list 'data'/)
})
