import { describe, expect, it } from 'vitest'
import { Failures } from '../../kernel/runner/failure'
import { render } from '../../kernel/runner/render'

describe('render', () => {
  it('is util.inspect', () => {
    expect(render({ a: [1] })).toEqual({ 'text/plain': '{ a: [ 1 ] }' })
    expect(render('s')).toEqual({ 'text/plain': "'s'" })
  })

  it('survives a value whose inspection throws', () => {
    const value = {
      get [Symbol.toStringTag]() {
        throw new Error('no')
      },
    }
    expect(render(value)['text/plain']).toContain('no')
  })

  it.each([
    ['image/png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
    ['image/jpeg', [0xff, 0xd8, 0xff, 0xe0]],
    ['image/gif', [0x47, 0x49, 0x46, 0x38, 0x39]],
    ['image/webp', [...Buffer.from('RIFF0000WEBP')]],
  ])('shows bytes of %s as an image', (mime, bytes) => {
    expect(render(new Uint8Array(bytes))[mime]).toBe(Buffer.from(bytes).toString('base64'))
    expect(Object.keys(render(new Uint8Array([1, 2])))).toEqual(['text/plain'])
  })

  it('shows records as an escaped table, with what was left out', () => {
    const html = render([{ a: '<b>' }, { c: 1 }])['text/html']!
    expect(html).toContain('<th>a</th><th>c</th>')
    expect(html).toContain('<tr><th>1</th><td></td><td>1</td></tr>')
    expect(html).toContain('&lt;b&gt;')
    const many = Array.from({ length: 60 }, (_, i) => ({ i }))
    expect(render(many)['text/html']).toContain('60 rows, 50 shown')
    expect(render([1, 2])['text/html']).toBeUndefined()
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

  it('tells of causes and of what is no Error', () => {
    const error = new Error('outer', { cause: new Error('inner') })
    expect(new Failures().describe(error).traceback).toEqual(
      expect.arrayContaining(['Caused by:', 'Error: inner']),
    )
    expect(new Failures().describe(5)).toEqual({ ename: 'Uncaught', evalue: '5', traceback: ['Uncaught 5'] })
  })
})
