import { describe, expect, it } from 'vitest'
import { prepare } from '../../kernel/compiler/prepare'
import { completeness, hasForAwait, syntaxErrors } from '../../kernel/compiler/completeness'

describe('prepare', () => {
  it('takes export from declarations, in place', () => {
    expect(prepare('export const x = "export const"').code).toBe('       const x = "export const"')
    expect(prepare('const x = 1').code).toBe('const x = 1')
  })

  it('writes shorthand properties out, also in destructuring', () => {
    expect(prepare('f({ a, b: 1, c })').code).toBe('f({ a: a, b: 1, c: c })')
    expect(prepare('({ a = 1 } = b)').code).toBe('({ a: a = 1 } = b)')
    expect(prepare('const { a } = b').code).toBe('const { a } = b')
  })

  it('maps places back to the cell', () => {
    const { code, original } = prepare('f({ a, b }, wrong)\nx')
    const at = code.indexOf('wrong')
    expect(original({ line: 0, character: at })).toEqual({ line: 0, character: 12 })
    expect(original({ line: 0, character: 4 })).toEqual({ line: 0, character: 4 })
    expect(original({ line: 1, character: 0 })).toEqual({ line: 1, character: 0 })
  })
})

describe('completeness', () => {
  const tslab = (open: boolean) => () => ({ completed: !open, ...(open && { indent: '  ' }) })

  it('is what tslab says, but code that does not parse is invalid', () => {
    expect(completeness('f(', tslab(true))).toEqual({ status: 'incomplete', indent: '  ' })
    expect(completeness('const = 1', tslab(false))).toEqual({ status: 'invalid' })
    expect(completeness('await f()\nfor await (const a of b) {}', tslab(false))).toEqual({
      status: 'complete',
    })
  })

  it("names the cell's places", () => {
    expect(syntaxErrors('const = 1')[0]!.start).toEqual({ line: 0, character: 6 })
    expect(syntaxErrors('1\nconst = 1')[0]!.start).toEqual({ line: 1, character: 6 })
  })

  it('finds a `for await` outside of functions', () => {
    expect(hasForAwait('if (a) { for await (const b of c) {} }')).toBe(true)
    expect(hasForAwait('async function f() { for await (const b of c) {} }')).toBe(false)
    expect(hasForAwait('// for await')).toBe(false)
  })
})
