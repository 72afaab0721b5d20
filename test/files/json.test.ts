import { describe, expect, it } from 'vitest'

import { isFloat, parseExactJson, parseJson, parseJsonObject } from '../../src/files/json'

const exact = (text: string): any => parseExactJson('x.jsonl:1', text) // eslint-disable-line @typescript-eslint/no-explicit-any

describe('JSON of data', () => {
  it('tells floats from integers', () => {
    const row = exact('{"a":1.0,"b":1,"c":[2.50e1,3,-0.0,4.5],"d":{"e":1E2,"f":"1.0"},"g":1e20,"h":1e-7}')
    expect(row).toEqual({ a: 1, b: 1, c: [25, 3, -0, 4.5], d: { e: 100, f: '1.0' }, g: 1e20, h: 1e-7 })
    expect(['a', 'b', 'g', 'h', 'none'].map((key) => isFloat(row, key))).toEqual([
      true,
      false,
      true,
      true,
      false,
    ])
    expect([0, 1, 2, 3].map((i) => isFloat(row.c, i))).toEqual([true, false, true, true])
    expect([isFloat(row.d, 'e'), isFloat(row.d, 'f')]).toEqual([true, false])
    expect(isFloat(exact('{"a" : 7.0}'), 'a')).toBe(true)
    // Of equal keys the last counts, for its kind too.
    expect(isFloat(exact('{"a":7.0,"a":7}'), 'a')).toBe(false)
    expect(Object.keys(row as object)).toEqual(['a', 'b', 'c', 'd', 'g', 'h'])
  })

  it('keeps the digits of long integers', () => {
    expect(exact('{"a":12345678901234567890,"b":9007199254740991,"c":[-9007199254740993]}')).toEqual({
      a: 12345678901234567890n,
      b: 9007199254740991,
      c: [-9007199254740993n],
    })
    expect(exact('{"t":"id: 12345678901234567890, 1.0"}')).toEqual({ t: 'id: 12345678901234567890, 1.0' })
    expect(() => exact(`{"a":${'9'.repeat(5000)}}`)).toThrow(
      'an integer of 5000 digits; at most 4300 are read',
    )
  })

  it("reads Python's NaN and Infinity, as numbers only", () => {
    expect(exact('{"a":NaN,"b":[Infinity,-Infinity],"c":"NaN"}')).toEqual({
      a: NaN,
      b: [Infinity, -Infinity],
      c: 'NaN',
    })
    expect(exact('{"a":1e400}')).toEqual({ a: Infinity })
    for (const text of ['{"a":-NaN}', '{"a":nan}', '{"a":+1}', '{"a":NaNx}', '{"a":01}', '{"a":1.}'])
      expect(() => exact(text), text).toThrow('x.jsonl:1: not valid JSON at character 6: expected')
  })

  it('takes __proto__ as a key like any other, on both ways through', () => {
    for (const text of ['{"__proto__":{"x":1},"a":2}', '{"__proto__":{"x":1},"a":2.0}']) {
      const row = exact(text)
      expect(Object.entries(row as object)).toEqual([
        ['__proto__', { x: 1 }],
        ['a', 2],
      ])
      expect(Object.getPrototypeOf(row)).toBe(Object.prototype)
    }
  })

  it('agrees with JSON.parse where both read a text', () => {
    const strings = ['', 'a"b\\c\n\t\u0001é𝒳', '\\', '\\\\"', '"']
    const value = { strings, nested: [[], {}, [{ a: null, b: [true, false] }]], n: [0, -1, 1.5, 2e-3] }
    for (const text of [JSON.stringify(value), JSON.stringify(value, null, 2)]) {
      expect(exact(text.replace('"n"', '"x":1.0,"n"'))).toEqual({ ...value, x: 1 })
    }
    for (const bad of [
      '',
      '{',
      '[1,]',
      '{"a":1,}',
      '{"a" 1}',
      '[1 2]',
      '"\t"',
      '"\\x"',
      '{a:1}',
      '[1]]',
      '"a',
    ])
      expect(() => exact(bad), bad).toThrow('not valid JSON')
  })

  it('reads numbers as written wherever they stand and however the text is spaced', () => {
    const plain: unknown = JSON.parse('{"a":[[],{"n":7}],"t":"\\"n\\":1.0, [2.0] : 3e5","n":-7,"s":0.5}')
    expect(exact(JSON.stringify(plain, null, 1))).toEqual(plain)
    for (const [written, value, float] of [
      ['3.0', 3, true],
      ['3', 3, false],
      ['-2e2', -200, true],
      ['9007199254740993', 9007199254740993n, false],
    ] as const) {
      for (const space of ['', ' ', '\n\t ']) {
        const text = `{"t":"n\\\\","u":{"n"${space}:${space}${written}},"s":0.5,"i":12}`
        const row = exact(text)
        expect(row.u.n, text).toBe(value)
        expect(isFloat(row.u, 'n'), text).toBe(float)
        const list = exact(`{"i":12,"l":[${space}"n",${space}${written}${space}]}`).l
        expect(list[1], written).toBe(value)
        expect(isFloat(list, 1), written).toBe(float)
      }
    }
  })

  it('stops at 500 levels', () => {
    expect(exact('['.repeat(500) + ']'.repeat(500))).toEqual(JSON.parse('['.repeat(500) + ']'.repeat(500)))
    for (const one of ['[', '{"a":'])
      expect(() => exact(one.repeat(100_000))).toThrow(/nested deeper than 500 levels|the text ends/)
    expect(() => exact('['.repeat(100_000) + ']'.repeat(100_000))).toThrow('nested deeper than 500 levels')
  })

  it('is linear in long numbers and many floats', () => {
    const digits = '1'.repeat(200_000)
    expect(exact(`{"a":0.${digits}}`)).toEqual({ a: Number(`0.${digits}`) })
    const keys = Array.from({ length: 100_000 }, (_, i) => `"k${i}":1.0`)
    expect(Object.keys(exact(`{${keys.join()}}`) as object)).toHaveLength(100_000)
  })
})

describe('JSON of a configuration', () => {
  it('has plain numbers, and names file, line and column of a fault', () => {
    expect(parseJson('c.json', '{"n":1000000000000000019884624838656,"x":1.0,"y":NaN}')).toEqual({
      n: 1e30,
      x: 1,
      y: NaN,
    })
    expect(() => parseJson('d/c.json', '{\n  "a": 1,\n  "b": }\n')).toThrow(
      'd/c.json: not valid JSON at line 3, column 8: expected a value, found "}\\n"',
    )
  })

  it.each(['null', '[1]', '3', '"x"'])('needs an object, not %s', (text) => {
    expect(() => parseJsonObject('c.json', text)).toThrow(/^c\.json: expected a JSON object, got /)
  })
})
