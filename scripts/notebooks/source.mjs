// The course's notebooks are written once, in notebooks/source/*.md: code once, prose in each language by itself.
//
//   ## cell NAME            a code cell: the one fenced block that follows
//   ## text NAME            prose: `### en` and `### zh`, each followed by Markdown
//
// `title`, kernel and language of a notebook are its metadata; outputs of a code cell stay while its code is the same.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../setup/step.mjs'

export const languages = ['en', 'zh']
export const sourceFolder = join(root, 'notebooks/source')

export const sources = () =>
  readdirSync(sourceFolder)
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => basename(file, '.md'))

export const notebookPath = (name, language) => join(root, 'notebooks', language, `${name}.ipynb`)

/** The cells of a source, in order. Throws where a cell has not what it needs. */
export function cellsOf(text, name) {
  return text
    .split(/^(?=## (?:cell|text) )/m)
    .filter((part) => /^## (?:cell|text) /.test(part))
    .map((part) => {
      const [, kind, id] = /^## (cell|text) ([\w-]+)\n/.exec(part) ?? []
      const body = part.slice(part.indexOf('\n') + 1)
      if (kind === 'cell') {
        const code = /```ts\n([\s\S]*?)\n```/.exec(body)?.[1]
        if (code === undefined) throw new Error(`${name}: cell ${id} has no block of ts`)
        return { kind, id, code }
      }
      const texts = Object.fromEntries(
        languages.map((language) => {
          const prose = new RegExp(`^### ${language}\\n([\\s\\S]*?)(?=^### (?:en|zh)\\n|(?![\\s\\S]))`, 'm').exec(body)?.[1]
          if (!prose?.trim()) throw new Error(`${name}: text ${id} has no ### ${language}`)
          return [language, prose.trim()]
        }),
      )
      return { kind, id, texts }
    })
}

const lines = (text) => text.split(/(?<=\n)/)

/** The notebook of one language, with the outputs of the one that is there where a cell's code is the same. */
export function notebookOf(name, language) {
  const cells = cellsOf(readFileSync(join(sourceFolder, `${name}.md`), 'utf8'), name)
  const file = notebookPath(name, language)
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).cells : []
  return {
    cells: cells.map((cell) => {
      if (cell.kind === 'text')
        return { cell_type: 'markdown', id: cell.id, metadata: {}, source: lines(cell.texts[language]) }
      const old = before.find(({ id, source }) => id === cell.id && [source].flat().join('') === cell.code)
      return {
        cell_type: 'code',
        execution_count: old?.execution_count ?? null,
        id: cell.id,
        metadata: old?.metadata ?? {},
        outputs: old?.outputs ?? [],
        source: lines(cell.code),
      }
    }),
    metadata: {
      kernelspec: { display_name: 'TypeScript (qlora)', language: 'typescript', name: 'qlora' },
      language_info: { name: 'typescript', file_extension: '.ts', mimetype: 'text/typescript' },
    },
    nbformat: 4,
    nbformat_minor: 5,
  }
}

/** As Jupyter writes it. */
export const notebookText = (notebook) => `${JSON.stringify(notebook, null, 1)}\n`
