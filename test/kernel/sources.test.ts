import { describe, expect, it } from 'vitest'
import { breakable, cellLine, hashSeed, murmur2, Sources } from '../../kernel/debugger/sources'
import { text } from '../../kernel/debugger/variables'

const code = 'const a = 1\n\nf(\n  a,\n)\na'
/** JavaScript lines: head, a, the export of a (behind the cell), f(, a, ), the last expression. */
const cell = { code, url: 'cell-1.ts', lines: [0, 1, 7, 3, 4, 5, 6] }

describe('breakpoints', () => {
  it('move to the first line with code, never into what the converter added', () => {
    expect(breakable(cell, 1)).toEqual({ script: 1, line: 1 })
    expect(breakable(cell, 2)).toEqual({ script: 3, line: 3 })
    expect(breakable(cell, 6)).toEqual({ script: 6, line: 6 })
    expect(breakable(cell, 7)).toBeUndefined()
  })

  it("have the cell's lines", () => {
    expect([0, 1, 2, 3, 9].map((line) => cellLine(cell, line))).toEqual([
      undefined,
      1,
      undefined,
      3,
      undefined,
    ])
  })
})

describe('Sources', () => {
  it('name a cell by the MurmurHash2 of its UTF-8 text', () => {
    // ipykernel's values.
    const known = { '': 3990065800, x: 32546335, 'const x = 1\nx': 808481345, '“ключ” 😀': 1778542235 }
    for (const [code, hash] of Object.entries(known)) expect(murmur2(code, hashSeed)).toBe(hash)
    const sources = new Sources()
    expect(sources.dump('x')).toBe(`${sources.prefix}32546335.ts`)
    expect(sources.text(sources.path('x'))).toBe('x')
  })

  it('know the newest script of a URL only', () => {
    const sources = new Sources()
    sources.executed({ code: 'one', url: 'cell-1.ts', lines: [] })
    sources.executed({ code: 'two', url: 'cell-1.ts', lines: [] })
    expect(sources.cellsOf(sources.path('one'))).toEqual([])
    expect(sources.cellsOf(sources.path('two'))).toHaveLength(1)
  })

  it('hide the files of the kernel and of Node', () => {
    const sources = new Sources()
    const own = new URL('../../kernel/runner/worker.ts', import.meta.url).href
    for (const url of [own, 'node:fs', 'cell-1.ts', 'file:///home/me/a.js']) sources.parsed(url, url)
    expect(sources.files()).toEqual(['/home/me/a.js'])
  })
})

describe('a value on one line', () => {
  it.each([
    ['"a\\"b"', { type: 'string', value: 'a"b' }],
    ['-0', { type: 'number', unserializableValue: '-0', description: '-0' }],
    ['null', { type: 'object', subtype: 'null', value: null }],
    ['undefined', { type: 'undefined' }],
    ['TypeError: bad', { type: 'object', subtype: 'error', description: 'TypeError: bad\n  at f' }],
    [
      '{a: 1, b: "x", …}',
      {
        type: 'object',
        preview: {
          description: 'Object',
          overflow: true,
          properties: [
            { name: 'a', type: 'number', value: '1' },
            { name: 'b', type: 'string', value: 'x' },
          ],
        },
      },
    ],
  ])('%s', (shown, object) => {
    expect(text(object)).toBe(shown)
  })

  it('is cut when long', () => {
    expect(text({ type: 'string', value: 'x'.repeat(5000) })).toHaveLength(1001)
  })
})
