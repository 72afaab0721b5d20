import { describe, expect, it } from 'vitest'
import { z } from 'zod'

import { type OptionSet, renamed } from '../../src/options/declaration'
import { optionsToDict, parseOptions } from '../../src/options/parse'

interface Values {
  rate: number
  steps: number
  mode: 'a' | 'b'
  list: string[]
  name: string | null
}

const set: OptionSet<Values> = {
  owner: 'Demo',
  options: {
    rate: { schema: z.number().gt(0), default: 0.5, doc: 'rate' },
    steps: {
      schema: z.int().min(0),
      default: 0,
      doc: 'steps',
      aliases: { count: renamed, hundreds: { convert: (v) => (v as number) * 100 } },
    },
    mode: { schema: z.enum(['a', 'b']), default: 'a', doc: 'mode' },
    list: { schema: z.array(z.string()), default: [], doc: 'list' },
    name: { schema: z.string().nullable(), default: null, doc: 'name' },
  },
  refused: { cluster: { default: '', neutral: [[]], reason: 'one process only' } },
}
const parse = (given: object): Values => parseOptions(set, given)

describe('parseOptions', () => {
  it('fills in defaults, each object with copies of its own', () => {
    const first = parse({})
    expect(first).toEqual({ rate: 0.5, steps: 0, mode: 'a', list: [], name: null })
    first.list.push('x')
    expect(parse({ rate: undefined }).list).toEqual([])
  })

  it('takes values and other spellings', () => {
    expect(parse({ rate: 2, count: 7 })).toMatchObject({ rate: 2, steps: 7 })
    expect(parse({ hundreds: 3 }).steps).toBe(300)
  })

  it('takes two spellings where one only repeats the default or both agree, else throws', () => {
    expect(parse({ steps: 5, count: 0 }).steps).toBe(5)
    expect(parse({ count: 0, steps: 5 }).steps).toBe(5)
    expect(parse({ count: 5, steps: 5 }).steps).toBe(5)
    expect(() => parse({ steps: 5, count: 6 })).toThrow(
      '[Demo] steps and count are one option, given twice: 5 and 6',
    )
  })

  it('names the option, the value and what fits', () => {
    expect(() => parse({ rate: -1 })).toThrow(new TypeError('[Demo] rate: got -1, needs a number > 0'))
    expect(() => parse({ rate: NaN })).toThrow('[Demo] rate: got NaN, needs a number > 0')
    expect(() => parse({ rate: '1' })).toThrow("[Demo] rate: got '1', needs a number > 0")
    expect(() => parse({ steps: 1.5 })).toThrow('[Demo] steps: got 1.5, needs a whole number >= 0')
    expect(() => parse({ mode: 'c' })).toThrow("[Demo] mode: got 'c', needs one of 'a', 'b'")
    expect(() => parse({ list: [1] })).toThrow('[Demo] list: got [1], needs a list, each a text')
    expect(() => parse({ name: 3 })).toThrow('[Demo] name: got 3, needs a text or null')
    expect(() => parse({ rate: null })).toThrow('[Demo] rate: got null, needs a number > 0')
    expect(() => parseOptions(set, 'rate' as never)).toThrow("[Demo] got 'rate', needs an object of options")
  })

  it('throws on an unknown name, or skips it for readers of files', () => {
    expect(() => parse({ stepz: 1 })).toThrow("[Demo] unknown option 'stepz'. Did you mean 'steps'?")
    expect(() => parse({ toString: 1 })).toThrow("[Demo] unknown option 'toString'")
    expect(parseOptions(set, { stepz: 1, rate: 3 }, { unknown: 'ignore' }).rate).toBe(3)
  })

  it('refuses what is not built unless the value asks for nothing', () => {
    expect(() => parse({ cluster: 'big' })).toThrow(
      "[Demo] cluster = 'big' is not supported: one process only",
    )
    expect(() => parseOptions(set, { cluster: 'big' }, { unknown: 'ignore' })).toThrow('one process only')
    for (const neutral of ['', [], null, undefined]) expect(parse({ cluster: neutral }).rate).toBe(0.5)
  })
})

describe('optionsToDict', () => {
  it('holds every option and every refused default, keys sorted', () => {
    const dict = optionsToDict(set, parse({ rate: 1 }))
    expect(Object.keys(dict)).toEqual(['cluster', 'list', 'mode', 'name', 'rate', 'steps'])
    expect(dict).toEqual({ cluster: '', list: [], mode: 'a', name: null, rate: 1, steps: 0 })
  })
})
