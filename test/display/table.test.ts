import { JSDOM } from 'jsdom'
import { describe, expect, it } from 'vitest'
import { formatBytes, formatDuration, formatNumber } from '../../src/display/format'
import { show_table, tableBundle } from '../../src/display/table'
import { fakeNotebook } from './fake-output'

const rows = [
  { prompt: '<script>alert("x")</script>', n: 1234, loss: 0.123456 },
  { prompt: 'two\nlines', n: 5, loss: 2e-5, extra: true },
]

describe('tableBundle', () => {
  it('aligns columns in text, numbers right, one line a row', () => {
    expect(tableBundle(rows, { title: 'Answers' })['text/plain']).toBe(
      [
        'Answers',
        'prompt                          n    loss  extra',
        '---------------------------  ----  ------  -----',
        '<script>alert("x")</script>  1234  0.1235',
        'two\\nlines                      5    2e-5  true',
      ].join('\n'),
    )
  })

  it('escapes cells, headings and title in HTML', () => {
    const html = tableBundle([{ '<i>': '<script>x</script>' }], { title: 'a & <b>' })['text/html'] as string
    const { document } = new JSDOM(html).window
    expect(document.querySelectorAll('script, i, b')).toHaveLength(0)
    expect(document.querySelector('caption')!.textContent).toBe('a & <b>')
    expect([...document.querySelectorAll('th, td')].map((cell) => cell.textContent)).toEqual([
      '<i>',
      '<script>x</script>',
    ])
  })

  it('gives columns of long texts the same width', () => {
    const answers = [{ question: 'q', before: 'x '.repeat(300), after: 'y '.repeat(40) }]
    const html = String(tableBundle(answers)['text/html'])
    expect(html.match(/width:44%/g)).toHaveLength(4) // head and body of two columns
    expect(String(tableBundle([{ a: 'x '.repeat(300), b: 1 }])['text/html'])).not.toContain('width:')
  })

  it('keeps chosen columns, cuts long cells and counts the rows left out', () => {
    const many = Array.from({ length: 5 }, (_, i) => ({ a: 'x'.repeat(20), b: i }))
    const text = tableBundle(many, { columns: ['b', 'a'], max_rows: 2, max_width: 5 })['text/plain']
    expect(text.split('\n')).toEqual(['b  a', '-  -----', '0  xxxx…', '1  xxxx…', '... 3 more rows'])
    expect(tableBundle(many, { max_rows: 4 })['text/html']).toContain('... 1 more row<')
  })

  it('counts wide characters as two columns', () => {
    const lines = tableBundle([
      { a: '漢字', b: 'x' },
      { a: 'abcd', b: 'y' },
    ])['text/plain'].split('\n')
    expect(lines.slice(2)).toEqual(['漢字  x', 'abcd  y'])
  })

  it('shows nested values as JSON, missing ones as nothing, and no rows as a head', () => {
    expect(tableBundle([{ a: { b: [1n, 2] }, c: null }])['text/plain'].split('\n')[2]).toBe('{"b":["1",2]}')
    expect(tableBundle([], { columns: ['a'] })['text/plain']).toBe('a\n-')
  })

  it('is shown once', () => {
    const notebook = fakeNotebook()
    show_table(rows, { output: notebook })
    expect(notebook.outputs).toHaveLength(1)
  })
})

it('formats numbers, durations and sizes', () => {
  expect([0, 42, 1.23456, 0.000123456, 123456.789, 2e-4, -0.5, NaN, 1e21].map(formatNumber)).toEqual([
    '0',
    '42',
    '1.235',
    '1.235e-4',
    '123457',
    '2e-4',
    '-0.5',
    'NaN',
    '1e+21',
  ])
  expect([0, 59.6, 61, 3_661, Infinity].map(formatDuration)).toEqual(['0:00', '1:00', '1:01', '1:01:01', '?'])
  expect([0, 1023, 1536, 98 * 2 ** 20, 5 * 2 ** 40].map(formatBytes)).toEqual([
    '0 B',
    '1023 B',
    '1.50 KiB',
    '98.0 MiB',
    '5.00 TiB',
  ])
})
