import { describe, expect, it } from 'vitest'
import { completeness } from '../../kernel/compiler/completeness'

describe('completeness', () => {
  it.each([
    '1',
    'await f()\nfor await (const a of b) {}',
    'const x = `a`',
    '// f(',
    'export default class {}',
    '(class {})',
  ])('complete: %s', (code) => {
    expect(completeness(code)).toEqual({ status: 'complete' })
  })

  it.each([
    ['f(', '  '],
    ['for (;;) {', '  '],
    ['if (a) {\n  b()', '  '],
    ['const x =', ''],
    ['const x = `a', ''],
    ['/* a', ''],
    ['[1,\n  2,', '  '],
  ])('incomplete: %s', (code, indent) => {
    expect(completeness(code)).toEqual({ status: 'incomplete', indent })
  })

  it.each(['const = 1', 'class { }', 'f(]', 'if (a) {\n\n\n'])('invalid: %s', (code) => {
    expect(completeness(code)).toEqual({ status: 'invalid' })
  })
})
