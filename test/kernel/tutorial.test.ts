import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Converter } from '../../kernel/compiler/converter'

const folder = resolve(__dirname, '../../notebooks')
const missing = [resolve(folder, '../dist/index.d.ts')].find((file) => !existsSync(file))
const title = missing ? `the tutorial [skipped: ${missing} not found]` : 'the tutorial'

interface Notebook {
  cells: { cell_type: string; source: string[] | string }[]
}

describe.skipIf(missing)(title, () => {
  it('compiles cell by cell with the types of the library', { timeout: 60_000 }, () => {
    const text = readFileSync(join(folder, '01-llama3-chatqa-qlora.ipynb'), 'utf8')
    const cells = (JSON.parse(text) as Notebook).cells.filter(({ cell_type }) => cell_type === 'code')
    const converter = new Converter(folder)
    const refused = cells.flatMap(({ source }) => {
      const compiled = converter.convert([source].flat().join(''))
      return compiled.ok ? [] : compiled.diagnostics
    })
    expect(cells.length).toBeGreaterThan(20)
    expect(refused).toEqual([])
  })
})
