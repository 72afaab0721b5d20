import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { check, names } from '../../notebooks/exercises'
import { matmul, singular_values, transpose } from '../../notebooks/helpers'
import {
  cellsOf,
  languages,
  notebookOf,
  notebookPath,
  notebookText,
  sources,
} from '../../scripts/notebooks/source.mjs'
import { root } from './checkout'

interface Cell {
  cell_type: string
  id: string
  source: string | string[]
}

const cellsAt = (name: string, language: string): Cell[] =>
  (JSON.parse(readFileSync(notebookPath(name, language), 'utf8')) as { cells: Cell[] }).cells
const text = ({ source }: Cell): string => [source].flat().join('')
const hasChinese = /\p{Script=Han}/u

describe('the notebooks of the course', () => {
  const all = sources()

  it('are there, each in both languages', () => {
    expect(all.length).toBeGreaterThanOrEqual(8)
    expect(languages).toEqual(['en', 'zh'])
  })

  it.each(all)('%s: what its source says, the same code in both languages, prose in each', (name) => {
    for (const language of languages) {
      // The outputs of cells whose code is the same stay, so a written notebook is written as it is.
      const made = JSON.parse(notebookText(notebookOf(name, language))) as { cells: Cell[] }
      expect(cellsAt(name, language)).toEqual(made.cells)
    }
    const [en, zh] = languages.map((language) => cellsAt(name, language))
    const code = (cells: Cell[]): [string, string][] =>
      cells.filter(({ cell_type }) => cell_type === 'code').map((cell) => [cell.id, text(cell)])
    expect(code(zh!)).toEqual(code(en!))
    const prose = (cells: Cell[]): Cell[] => cells.filter(({ cell_type }) => cell_type === 'markdown')
    expect(prose(zh!).map(({ id }) => id)).toEqual(prose(en!).map(({ id }) => id))
    for (const cell of prose(en!)) expect(text(cell), cell.id).not.toMatch(hasChinese)
    const chinese = prose(zh!).filter((cell) => hasChinese.test(text(cell)))
    expect(chinese.length / prose(zh!).length).toBeGreaterThan(0.9)
  })

  it('a cell without its code, or prose without one language, is told by its name', () => {
    expect(() => cellsOf('## cell a\n\nnothing\n', 'n')).toThrow('n: cell a has no block of ts')
    expect(() => cellsOf('## text b\n### en\nwords\n', 'n')).toThrow('n: text b has no ### zh')
  })

  it('link to files that are there', () => {
    for (const name of all) {
      for (const language of languages) {
        const prose = cellsAt(name, language).map(text).join('\n')
        for (const [, target] of prose.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
          const path = join(root, 'notebooks', language, target!)
          expect(() => readFileSync(path), `${name}: ${target}`).not.toThrow()
        }
      }
    }
  })
})

describe('exercises', () => {
  afterEach(() => void vi.restoreAllMocks())
  const solutions = readFileSync(join(root, 'notebooks/solutions.md'), 'utf8')

  it('each stands in a notebook, and has a solution apart', () => {
    const asked = sources().flatMap((name) =>
      cellsAt(name, 'en').flatMap((cell) => [...text(cell).matchAll(/check\('([\w-]+)'/g)].map((m) => m[1]!)),
    )
    expect([...asked].sort()).toEqual([...names].sort())
    for (const name of names) expect(solutions).toContain(`\`${name}\``)
  })

  it('a wrong answer gets a hint in the language of the folder, a right one a tick', () => {
    const said: string[] = []
    vi.spyOn(console, 'log').mockImplementation((line: string) => void said.push(line))
    vi.spyOn(process, 'cwd').mockReturnValue('/somewhere/notebooks/en')
    check('nf4-bits', 4.5)
    check('nf4-bits', 4 + 8 / 64 + 32 / (64 * 256))
    check('lora-first-gradient', 'B')
    vi.spyOn(process, 'cwd').mockReturnValue('/somewhere/notebooks/zh')
    check('lora-first-gradient', 'A')
    check('lora-count', 576 * 1536)
    expect(said[0]).toMatch(/^Not yet\. That is without double quantization/)
    expect(said[1]).toBe('✓ right')
    expect(said[2]).not.toMatch(/\bA\b.*answer|answer.*\bA\b/)
    expect(said[3]).toBe('✓ 正确')
    expect(said[4]).toMatch(/^还不对。那是被冻结的矩阵/)
    expect(() => check('none', 1)).toThrow(/no exercise 'none': there are nf4-bits/)
  })
})

describe('helpers', () => {
  it('singular values: of a product of a rotation and a diagonal, and the sum of squares', () => {
    const turn = [
      [0.6, -0.8],
      [0.8, 0.6],
    ]
    const found = singular_values(
      matmul(turn, [
        [3, 0, 0],
        [0, 0.5, 0],
      ]),
    )
    expect(found[0]).toBeCloseTo(3, 12)
    expect(found[1]).toBeCloseTo(0.5, 12)
    const odd = [
      [1, 2, 3],
      [4, 5, 6],
      [7, 8, 10],
      [1, 0, 1],
    ]
    const squares = odd.flat().reduce((sum, value) => sum + value * value, 0)
    for (const matrix of [odd, transpose(odd)])
      expect(singular_values(matrix).reduce((sum, s) => sum + s * s, 0)).toBeCloseTo(squares, 9)
  })
})
