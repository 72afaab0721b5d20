import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Converter } from '../../kernel/compiler/converter'

const folder = resolve(__dirname, '../../notebooks/en')
const missing = [resolve(folder, '../../dist/index.d.ts')].find((file) => !existsSync(file))
const title = missing ? `the notebooks [skipped: ${missing} not found]` : 'the notebooks'

interface Notebook {
  cells: { cell_type: string; source: string[] | string }[]
}

// The Chinese notebooks have the same code: test/scripts/notebooks.test.ts.
describe.skipIf(missing)(title, () => {
  const files = missing ? [] : readdirSync(folder).filter((file) => file.endsWith('.ipynb'))

  it.each(files)('%s compiles cell by cell with the types of the library', { timeout: 120_000 }, (file) => {
    const text = readFileSync(join(folder, file), 'utf8')
    const cells = (JSON.parse(text) as Notebook).cells.filter(({ cell_type }) => cell_type === 'code')
    const converter = new Converter(folder)
    const refused = cells.flatMap(({ source }) => {
      const compiled = converter.convert([source].flat().join(''))
      return compiled.ok ? [] : compiled.diagnostics
    })
    expect(cells.length).toBeGreaterThan(4)
    expect(refused).toEqual([])
  })
})
