import { describe, expect, it } from 'vitest'
import { interruptible } from '../../kernel/compiler/interruptible'

describe('interruptible', () => {
  it.each([
    ['while (a) b()', 'while (a) {__q.check();b()}'],
    ['for (;;) { b() }', 'for (;;) {__q.check(); b() }'],
    ['do b(); while (a)', 'do {__q.check();b();} while (a)'],
    [
      'for (const a of b) for (const c in d) e()',
      'for (const a of b) {__q.check();for (const c in d) {__q.check();e()}}',
    ],
    ['async () => { await f(await g) }', 'async () => { await __q.wait(f(await __q.wait(g))) }'],
    [
      'async () => { for await (const a of b) {} }',
      'async () => { for await (const a of __q.iterate(b)) {__q.check();} }',
    ],
  ])('%s', (code, wanted) => {
    expect(interruptible(code)).toBe(wanted)
  })

  it('moves no line and keeps strings, comments and labels', () => {
    const code = '// while (a) b()\nconst s = "await x"\nouter: for (const a of b)\n  continue outer\n'
    const out = interruptible(code)
    expect(out.split('\n').length).toBe(code.split('\n').length)
    expect(out).toContain('// while (a) b()\nconst s = "await x"\nouter: for')
  })

  it('gives code that means the same', async () => {
    const code = `(async (log) => {
      async function* g() { yield 1; yield 2 }
      for await (const x of g()) log(x)
      for await (const x of [Promise.resolve(3), 4]) log(x)
      let n = 0
      do { n += await Promise.resolve(1) } while (n < 3)
      return n
    })`
    const free = { check: () => {}, wait: (value: unknown) => value, iterate: (value: unknown) => value }
    const run = new Function('__q', `return ${interruptible(code)}`)(free) as (
      log: unknown,
    ) => Promise<number>
    const seen: number[] = []
    expect(await run((x: number) => seen.push(x))).toBe(3)
    expect(seen).toEqual([1, 2, 3, 4])
  })
})
