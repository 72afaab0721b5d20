import { resolve } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { Failures } from '../../kernel/runner/failure'
import { render, renderFully } from '../../kernel/runner/render'

const display = Symbol.for('Jupyter.display')

describe('render', () => {
  it('is util.inspect', () => {
    expect(render({ a: [1] })).toEqual({ 'text/plain': '{ a: [ 1 ] }' })
    expect(render('s')).toEqual({ 'text/plain': "'s'" })
  })

  it('survives a value whose inspection throws', () => {
    const value = {
      [inspect.custom]() {
        throw new Error('no')
      },
    }
    expect(render(value)['text/plain']).toContain('no')
  })

  it('shows small things deeply and never floods', () => {
    const deep = { a: { b: { c: { d: 1 } } } }
    expect(render(deep)['text/plain']).toContain('d: 1')
    const tree = (depth: number): unknown =>
      depth === 0 ? 'leaf' : Array.from({ length: 90 }, () => tree(depth - 1))
    const text = render(tree(3))['text/plain']!
    expect(text.length).toBeLessThan(21_000)
    expect(text).toMatch(/\n\.\.\. \d+ more characters$/)
  })

  it.each([
    ['image/png', [...Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')]],
    ['image/jpeg', [0xff, 0xd8, 0xff, 0xe0]],
    ['image/gif', [...Buffer.from('GIF89a')]],
    ['image/webp', [...Buffer.from('RIFF0000WEBP')]],
  ])('shows bytes of %s as an image', (mime, bytes) => {
    const bundle = render(new Uint8Array(bytes))
    expect(bundle[mime]).toBe(Buffer.from(bytes).toString('base64'))
    expect(bundle['text/plain']).toBe(`<${mime}, ${bytes.length} bytes>`)
    expect(Object.keys(render(new Uint8Array([1, 2])))).toEqual(['text/plain'])
  })

  it('shows SVG as text, and the size of a PNG', () => {
    const svg = '<?xml version="1.0"?>\n<!-- made by hand -->\n<svg width="1"></svg>'
    expect(render(Buffer.from(svg))['image/svg+xml']).toBe(svg)
    expect(render(Buffer.from('<html><svg></svg></html>'))['image/svg+xml']).toBeUndefined()
    const png = Buffer.alloc(24)
    png.write('\x89PNG\r\n\x1a\n', 'latin1')
    png.writeUInt32BE(640, 16)
    png.writeUInt32BE(480, 20)
    expect(render(png)['text/plain']).toBe('<image/png, 640 x 480, 24 bytes>')
  })

  it('shows records as an escaped table, with what was left out', () => {
    const html = render([{ a: '<b>' }, { c: 1 }])['text/html']!
    expect(html).toContain('<th>a</th><th>c</th>')
    expect(html).toContain('<tr><th>1</th><td></td><td>1</td></tr>')
    expect(html).toContain('&lt;b&gt;')
    const many = Array.from({ length: 60 }, (_, i) => ({ i }))
    expect(render(many)['text/html']).toContain('60 rows, 50 shown')
    expect(render([{ long: 'x'.repeat(10_000) }])['text/html']!.length).toBeLessThan(1000)
    expect(render([1, 2])['text/html']).toBeUndefined()
  })

  it('shows records that fill more than a line as columns in text too', () => {
    expect(render([{ a: 1, b: 'x' }])['text/plain']).toBe("[ { a: 1, b: 'x' } ]")
    const rows = Array.from({ length: 60 }, (_, i) => ({
      step: i,
      text: 'long\ntext '.repeat(i),
      extra: [i],
    }))
    const lines = render(rows)['text/plain']!.split('\n')
    expect(lines[0]).toBe('    step  text                                       extra')
    expect(lines[1]).toBe('0   0                                                [ 0 ]')
    expect(lines[3]).toBe('2   2     long text long text                        [ 2 ]')
    expect(lines.length).toBe(52)
    expect(lines.at(-1)).toBe('60 rows, 50 shown')
  })

  it('shows an Error as the failure of a cell', () => {
    const describe = (error: unknown): string => `told: ${(error as Error).message}`
    expect(render(new TypeError('bad'), describe)).toEqual({ 'text/plain': 'told: bad' })
  })
})

describe("a value's own display", () => {
  it('is its whole bundle: text, bytes, JSON', () => {
    const value = {
      [display]: () => ({
        'text/plain': 'own',
        'text/html': '<b>own</b>',
        'image/png': new Uint8Array([1, 2]),
        'application/json': { a: [1] },
      }),
    }
    const shown = {
      'text/plain': 'own',
      'text/html': '<b>own</b>',
      'image/png': 'AQI=',
      'application/json': '{"a":[1]}',
    }
    expect(render(value)).toEqual(shown)
    expect(renderFully(value)).toEqual(shown)
  })

  it('may come as a promise; who cannot wait gets the plain form', async () => {
    const value = { a: 1, [display]: () => Promise.resolve({ 'text/html': 'later' }) }
    const shown = renderFully(value)
    expect(shown).toBeInstanceOf(Promise)
    expect(await shown).toMatchObject({ 'text/html': 'later' })
    expect((await shown)['text/plain']).toContain('a: 1')
    expect(render(value)).not.toHaveProperty('text/html')
  })

  it('that fails, or is no bundle, leaves the plain form', async () => {
    const fail = (): never => {
      throw new Error('boom')
    }
    const failed = /a: 1[^]*\n\[its display failed: Error: boom\]$/
    expect(render({ a: 1, [display]: fail })['text/plain']).toMatch(failed)
    const later = renderFully({ a: 1, [display]: async () => Promise.resolve().then(fail) })
    expect((await later)['text/plain']).toMatch(failed)
    expect(render({ a: 1, [display]: () => 'text' })['text/plain']).toContain('a: 1')
    expect(render({ a: 1, [display]: () => ({ a: 'b' }) })['text/plain']).toContain('a: 1')
    const hostile = new Proxy({}, { get: fail })
    expect(render(hostile)['text/plain']).toContain('boom')
  })
})

describe('Failures', () => {
  it('maps lines and leaves out frames of Node', () => {
    const failures = new Failures()
    failures.remember(3, [0, 0, 1, 2])
    const error = new TypeError('bad')
    error.stack =
      'TypeError: bad\n    at f (cell-3.ts:4:9)\n    at cell-3.ts:3:1\n    at Script.runInThisContext (node:vm:122:12)'
    expect(failures.describe(error)).toEqual({
      ename: 'TypeError',
      evalue: 'bad',
      traceback: ['TypeError: bad', '    at f (cell [3], line 2)', '    at cell [3], line 1'],
    })
  })

  it("tells the cell's own line first, and folds what packages call among themselves", () => {
    const failures = new Failures()
    failures.remember(3, [0, 0, 1, 2], 'import { f } from "p"\n  f(1)  ')
    const error = new TypeError('bad')
    error.stack = [
      'TypeError: bad',
      '    at a (/x/node_modules/p/a.js:1:1)',
      '    at b (/x/node_modules/p/b.js:1:1)',
      '    at cell-3.ts:4:9',
      '    at c (/x/node_modules/p/c.js:1:1)',
    ].join('\n')
    expect(failures.describe(error).traceback).toEqual([
      'TypeError: bad',
      '--> cell [3], line 2:  f(1)',
      '    ... 2 frames of packages, which error.stack has',
      '    at cell [3], line 2',
      '    at c (/x/node_modules/p/c.js:1:1)',
    ])
  })

  it('gives a printed error the same lines', () => {
    const failures = new Failures()
    failures.remember(3, [0, 0, 1, 2])
    failures.rememberFile('/book/helper.ts', [0, 1, 2, 3])
    const sites = [
      '/book/helper.ts:4:1',
      'f (cell-3.ts:4:9)',
      'Executor.run (' + resolve('kernel/runner/executor.js') + ':1:2)',
      'node:vm:1:2',
    ]
    const error = Object.assign(new TypeError('bad'), { code: 'ERR_X' })
    const stack = failures.stack(error, sites as never)
    expect(stack).toBe('TypeError [ERR_X]: bad\n    at /book/helper.ts:3\n    at f (cell [3], line 2)')
    error.stack = stack
    expect(failures.describe(error).traceback).toEqual([
      ...['TypeError: bad', '    at /book/helper.ts:3', '    at f (cell [3], line 2)'],
    ])
  })

  it('ends with causes in a circle, long messages and properties that throw', () => {
    const one = new Error('one')
    one.cause = new Error('two', { cause: one })
    expect(new Failures().describe(one).traceback.filter((line) => !line.startsWith(' '))).toEqual([
      ...['Error: one', 'Caused by:', 'Error: two'],
    ])
    expect(new Failures().describe(new Error('x'.repeat(1e6))).evalue.length).toBeLessThan(21_000)
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('no')
      },
    })
    expect(new Failures().describe(hostile).evalue).toContain('cannot be shown')
  })

  it('tells of causes and of what is no Error', () => {
    const error = new Error('outer', { cause: new Error('inner') })
    expect(new Failures().describe(error).traceback).toEqual(
      expect.arrayContaining(['Caused by:', 'Error: inner']),
    )
    expect(new Failures().describe(5)).toEqual({ ename: 'Uncaught', evalue: '5', traceback: ['Uncaught 5'] })
  })
})
