import { mkdtempSync, mkdirSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Converter } from '../../kernel/compiler/converter'
import type { Compiled } from '../../kernel/compiler/messages'
import { ts } from '../../kernel/compiler/typescript'

let folder: string
let converter: Converter
let time = 1_700_000_000

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'converter-')))
  converter = new Converter(folder)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Each write has a later time, however fast they follow. */
function write(name: string, text: string): void {
  mkdirSync(dirname(join(folder, name)), { recursive: true })
  writeFileSync(join(folder, name), text)
  time += 10
  utimesSync(join(folder, name), time, time)
}

function convert(code: string): Extract<Compiled, { ok: true }> {
  const compiled = converter.convert(code)
  if (!compiled.ok) throw new Error(compiled.diagnostics.join('\n'))
  return compiled
}

function refusal(code: string): Extract<Compiled, { ok: false }> {
  const compiled = converter.convert(code)
  if (compiled.ok) throw new Error(`accepted: ${compiled.code}`)
  return compiled
}

/** The cell's JavaScript without what every cell has around it. */
const body = (code: string): string =>
  convert(code)
    .code.split('\n')
    .slice(1, -1)
    .filter((line) => !/^exports.* = void 0;$/.test(line))
    .join('\n')

describe('names of earlier cells', () => {
  beforeAll(
    () => void convert('let n = 1\nconst text = "a"\nfunction f(x: number) { return x }\nclass Base {}'),
  )

  it('are read from exports, and written there', () => {
    expect(body('n + 1')).toBe('exports["last expression"] = exports.n + 1;')
    expect(body('n = 5')).toBe('exports["last expression"] = exports.n = 5;')
    expect(body('n++; 0')).toBe('exports.n++;\nexports["last expression"] = 0;')
  })

  it('are not taken for properties, parameters or other names of the same spelling', () => {
    expect(body('({ n: text.length })')).toContain('({ n: exports.text.length })')
    expect(body('((n: number) => n)(2)')).toContain('((n) => n)(2)')
    expect(body('{ const { n: inner } = { n: 2 }; inner }')).toContain('{ n: inner } = { n: 2 }')
  })

  it('work in shorthand properties and in destructuring assignments', () => {
    expect(body('({ n })')).toContain('({ n: exports.n })')
    expect(body('({ n } = { n: 3 })')).toContain('({ n: exports.n } = { n: 3 })')
    expect(body('({ n = 4 } = {})')).toContain('({ n: exports.n = 4 } = {})')
  })

  it('are called without exports as their this, and can be extended', () => {
    expect(body('f(1)')).toBe('exports["last expression"] = (0, exports.f)(1);')
    expect(body('class Derived extends Base {}')).toContain('class Derived extends exports.Base')
  })
})

describe('declarations', () => {
  it('may be recomputed, with another type; the newest counts', () => {
    convert('const again: number = 1')
    convert('const again = "word"')
    expect(refusal('again.nothing').message).toContain('type \'"word"\'')
    convert('function again() { return 1 }')
    convert('again().toFixed()')
    convert('class again { a = 1 }')
    convert('new again().a.toFixed()')
  })

  it('of several names in one statement are kept one by one', () => {
    convert('const [one, { two }] = [1, { two: "2" }] as const')
    convert('const one = "1"')
    convert('const check: [string, "2"] = [one, two]')
  })

  it('of a type and a value of one name live beside each other', () => {
    convert('interface Both { a: number }')
    convert('const Both: Both = { a: 1 }')
    convert('const other: Both = { a: Both.a }')
  })

  it('of imports go when the name is declared again', () => {
    convert('import { join as j, basename } from "node:path"')
    convert('j(basename("a"), "b")')
    convert('const j = 5')
    convert('j.toFixed(); basename("a")')
  })

  it('may be exported, also as default, or hide what a cell is given', () => {
    convert('export const shown = 1; export default function named() { return "x" }')
    expect(body('[shown, named()]')).toContain('[exports.shown, (0, exports.named)()]')
    const { code } = convert('const module = 1, __dirname = "x"')
    expect(() => new Function(`return ${code}`)).not.toThrow()
  })
})

describe('a refused cell', () => {
  it('names the place, underlines it, and declares nothing', () => {
    const { message, diagnostics } = refusal('const refused = 1\nconst a: string = refused')
    expect(message).toBe("Type 'number' is not assignable to type 'string'.")
    expect(diagnostics).toEqual([`2:7 - ${message}\n    const a: string = refused\n          ~`])
    expect(refusal('refused').message).toContain("Cannot find name 'refused'")
  })

  it('tells what does not parse', () => {
    expect(refusal('1\nconst = 1').diagnostics[0]).toContain('2:7 - ')
    expect(refusal('f(').diagnostics[0]).toMatch(/^1:3 - /)
  })

  it('leaves an await in a function that is not async an error', () => {
    expect(refusal('function g() { await 1 }').message).toContain('await')
  })
})

describe("TypeScript's newer syntax", () => {
  /** Runs the cell; what it logs. */
  async function logged(code: string): Promise<unknown[]> {
    const seen: unknown[] = []
    const free = { check: () => {}, wait: (value: unknown) => value, iterate: (value: unknown) => value }
    const cell = new Function('console', `return ${convert(code).code}`)({
      log: (value: unknown) => seen.push(value),
    }) as (...given: unknown[]) => unknown
    await cell({}, require, { exports: {} }, '', '', free)
    return seen
  }

  it('using and await using, also at the top of a cell', async () => {
    const dispose = "{ [Symbol.dispose]() { console.log('disposed') } }"
    expect(await logged(`{ using r = ${dispose}; console.log('in') }`)).toEqual(['in', 'disposed'])
    expect(await logged(`using top = ${dispose}\nconsole.log(typeof top)`)).toEqual(['object', 'disposed'])
    const later = "{ async [Symbol.asyncDispose]() { console.log('later') } }"
    expect(await logged(`await using slow = ${later}\nconsole.log('in')`)).toEqual(['in', 'later'])
  })

  it('attributes of imports', () => {
    write('values.json', '{ "five": 5 }')
    convert('import values from "./values.json" with { type: "json" }\nvalues.five.toFixed()')
  })

  it('standard decorators', async () => {
    const code = `function twice(method: (n: number) => number, context: ClassMethodDecoratorContext) {
      return (n: number) => 2 * method(n)
    }
    class Doubled { @twice plusOne(n: number) { return n + 1 } }
    console.log(new Doubled().plusOne(3))`
    expect(await logged(code)).toEqual([8])
  })

  it('is not in strict mode unless the cell says so', async () => {
    const code = 'console.log((function (this: unknown) { return this === undefined })())'
    expect(await logged(code)).toEqual([false])
    expect(await logged(`'use strict'\n${code}`)).toEqual([true])
  })
})

describe('types', () => {
  it('know null and undefined', () => {
    expect(
      refusal('let maybe: string | undefined\nmaybe!.length; [1].find((n) => n > 1).toFixed()').message,
    ).toBe("Object is possibly 'undefined'.")
    convert('const maybeNot: number | null = 1 as number | null\nmaybeNot?.toFixed()')
  })

  it('leave any where nothing is said, and give an empty array those of what is put into it', () => {
    convert('function loose(x, y) { return x.anything + y }\nloose(1, 2).more')
    convert('const filled = []\nfilled.push(1)\nfilled[0].toFixed()')
    convert('let later = null\nlater = 5\nlater.toFixed()')
    convert('const record = {}\nrecord["key"] = 1\nrecord["key"]')
  })
})

describe('habits from elsewhere', () => {
  it.each([
    ['%timeit 1 + 1', 'console.time'],
    ['%%bash\nls', 'execSync'],
    ['!ls -l', 'execSync("ls -l"'],
    ['pip install numpy left-pad', "await npm.install('numpy', 'left-pad')"],
    ['!pip install -q x', "await npm.install('x')"],
    ['%pip install x', "await npm.install('x')"],
    ['print("a")', 'console.log(...)'],
    ['const b = 1\nhelp(b)', 'name?'],
    ['const flag = True', 'true'],
  ])('%s is answered with what to write', (code, wanted) => {
    const { message, diagnostics } = refusal(code)
    expect(message).toContain(wanted)
    expect(diagnostics.at(-1)).toContain(wanted)
  })

  it('other errors get no hint', () => {
    expect(refusal('nothing(1)').message).toBe("Cannot find name 'nothing'.")
    convert('const print = (x: unknown) => x\n!print(1)\nprint(5 % 2)')
  })
})

describe('the library of the kernel', () => {
  it('may be imported in a folder that has none', () => {
    convert('import { LoraConfig } from "qlora"\nnew LoraConfig({ r: 4 }).r.toFixed()')
    expect(refusal('import { Nothing } from "qlora"').message).toContain("no exported member 'Nothing'")
  })
})

describe('lines', () => {
  it('are those of the cell, though types and blank lines go', () => {
    const { code, lines } = convert(
      'interface Gone {\n  a: number\n}\n\nconst kept: Gone = { a: 1 }\n\nkept.a',
    )
    const of = (part: string): number => lines[code.split('\n').findIndex((line) => line.includes(part))]!
    expect([of('kept = {'), of('last expression')]).toEqual([5, 7])
  })
})

describe('helper files', () => {
  it('come as JavaScript when they are new or have changed, with their types', () => {
    write('lib/other.js', 'exports.half = (x) => x / 2\n')
    write('helper.ts', 'import { half } from "./lib/other"\nexport const version: number = half(2)\n')
    const first = convert('import { version } from "./helper"\nversion.toFixed()')
    expect(first.sideOutputs.map(({ path }) => path)).toEqual([
      join(folder, 'helper.ts'),
      join(folder, 'lib/other.js'),
    ])
    expect(convert('import { version } from "./helper"').sideOutputs).toEqual([])
    write('helper.ts', 'export const version = "two"\n')
    const second = convert('import { version } from "./helper.ts"\nversion.length')
    expect(second.sideOutputs.map(({ path }) => path)).toEqual([join(folder, 'helper.ts')])
  })

  it('with errors stop the cell, which names the file', () => {
    write('bad.ts', 'export const bad: number = "x"\n')
    expect(refusal('import { bad } from "./bad"').diagnostics[0]).toMatch(/^bad\.ts:1:14 - Type/)
    write('bad.ts', 'export const bad: number = 1\n')
    convert('import { bad } from "./bad.js"')
  })

  it('and packages that come later are found', () => {
    expect(refusal('import { late } from "late"').message).toContain("Cannot find module 'late'")
    write(
      'node_modules/late/package.json',
      '{ "name": "late", "exports": { "import": "./a.mjs", "types": "./a.d.ts" } }',
    )
    write('node_modules/late/a.d.ts', 'export declare const late: 5\n')
    const { imports } = convert('import { late } from "late"\nconst five: 5 = late')
    expect(imports).toEqual(['late'])
  })
})

describe('speed', () => {
  it('is that of the cell: no declaration file is read or parsed a second time', () => {
    convert('1')
    const read = vi.spyOn(ts.sys, 'readFile')
    convert('const quick: number = 1\nquick + 1')
    expect(read).not.toHaveBeenCalled()
    read.mockRestore()
  })
})

describe('many small cells', () => {
  it('know the types of those before, whichever program has checked them', () => {
    convert('interface Row { at: number }\nimport { basename as short } from "node:path"')
    for (let turn = 0; turn < 120; turn++) {
      convert(`const row: Row = { at: ${turn} }; const back${turn % 3} = short("a") + row.at`)
      if (turn % 40 === 39) expect(refusal('row.nothing').message).toContain("on type 'Row'")
    }
    convert('const row = "text"')
    expect(refusal('row.nothing').message).toContain('on type \'"text"\'')
    convert('[back0, back1, back2].map((text) => text.length)')
    convert('declare global { interface Array<T> { added: T } }')
    convert('[1].added.toFixed()')
  })
})

describe('types of Node', () => {
  it('are there for globals and for every module, under both names', () => {
    convert(
      'const piece: Buffer = Buffer.from("a"); process.stdout.columns.toFixed(); new AbortController().signal',
    )
    convert('import { cpus } from "os"\nimport * as zlib from "node:zlib"\ncpus()[0].model.length')
    convert('const session = (await import("node:http2")).connect("x")\nsession.destroyed')
    expect(refusal('session.nothing').message).toContain("'ClientHttp2Session'")
    expect(refusal('zlib.nothing').message).toContain("Property 'nothing'")
  })
})

describe('help', () => {
  it('completes members and earlier names, those that begin with what is typed first', () => {
    convert('const helped = { alpha: 1, beta: 2 }')
    expect(converter.complete('helped.al', 9)).toEqual({ start: 7, end: 9, candidates: ['alpha'] })
    expect(converter.complete('helpe', 3).candidates[0]).toBe('helped')
    expect(converter.complete('helped.ETA', 10).candidates).toEqual(['beta'])
  })

  it('completes names of Node modules, also of those that nothing has loaded yet', () => {
    expect(converter.complete('import * as os from "node:htt', 29).candidates).toEqual([
      'http',
      'http2',
      'https',
    ])
  })

  it('shows what is deprecated last, and inspects a name in an object by what is expected there', () => {
    write(
      'node_modules/settings/index.d.ts',
      [
        'export interface Settings {',
        '  /** @deprecated not supported: it is not built. */',
        '  amp?: false | null',
        '  /** Peak rate. */',
        '  rate?: number',
        '  /** Sum of things. */',
        '  zoom?: number',
        '}',
        'export declare function run(settings: Settings): void',
      ].join('\n'),
    )
    write('node_modules/settings/package.json', '{ "name": "settings", "types": "index.d.ts" }')
    const cell = 'import { run } from "settings"\nrun({ '
    expect(converter.complete(`${cell} })`, cell.length).candidates.slice(0, 3)).toEqual([
      'rate',
      'zoom',
      'amp',
    ])
    expect(converter.inspect(`${cell}rate: 1 })`, cell.length + 1).text).toContain('Peak rate.')
    expect(converter.inspect(`${cell}amp: false })`, cell.length + 1).text).toContain(
      'not supported: it is not built',
    )
  })

  it('inspects with documentation, of earlier cells and of Node', () => {
    expect(converter.inspect('helped', 3).text).toContain('alpha: number')
    const { text } = converter.inspect('import * as path from "node:path"\npath.join', 41)
    expect(text).toContain('join(...paths: string[]): string')
    expect(text).toContain('Join all arguments together')
    expect(converter.inspect('   ', 1)).toEqual({ found: false, text: '' })
  })
})
