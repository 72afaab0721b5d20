import { writeFileSync } from 'node:fs'

export interface CodeCell {
  cell_type: 'code'
  id: string
  execution_count: number | null
  metadata: object
  outputs: Output[]
  source: string | string[]
}

export interface Output {
  output_type: string
  name?: string
  text?: string[]
  data?: Record<string, string | string[]>
  ename?: string
  evalue?: string
}

export interface Notebook {
  cells: CodeCell[]
  metadata: Record<string, unknown>
  nbformat: number
  nbformat_minor: number
}

/** A notebook of code cells on our kernel or another. */
export function notebookOf(sources: readonly string[], kernel = 'qlora'): Notebook {
  return {
    cells: sources.map((source, i) => ({
      cell_type: 'code',
      id: `cell-${i + 1}`,
      execution_count: null,
      metadata: {},
      outputs: [],
      source,
    })),
    metadata: { kernelspec: { display_name: kernel, language: 'typescript', name: kernel } },
    nbformat: 4,
    nbformat_minor: 5,
  }
}

export const writeNotebook = (file: string, notebook: Notebook): void =>
  writeFileSync(file, JSON.stringify(notebook, null, 1))
