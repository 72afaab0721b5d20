import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { titled } from '../support/shared'
import { root } from './checkout'

const python = join(root, '.venv/bin/python')
const ready = existsSync(python) && existsSync(join(root, 'dist/index.js'))
const missing = 'the environment that `npm test` sets up'
const folder = mkdtempSync(join(tmpdir(), 'qlora-notebook-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Notebook {
  cells: {
    execution_count: number | null
    outputs: { output_type: string; text?: string[]; data?: Record<string, string[]> }[]
  }[]
}

function execute(
  notebook: string,
  ...options: string[]
): { status: number | null; said: string; kept: Notebook } {
  const kept = join(folder, 'executed.ipynb')
  rmSync(kept, { force: true })
  const script = join(root, 'scripts/execute_notebook.py')
  const args = [script, notebook, kept, '--cwd', join(root, 'notebooks'), ...options]
  const env = { ...process.env, FORCE_COLOR: '1' }
  const { status, stderr } = spawnSync(python, args, { encoding: 'utf8', env })
  return { status, said: stderr, kept: JSON.parse(readFileSync(kept, 'utf8')) as Notebook }
}

function notebookOf(...sources: string[]): string {
  const file = join(folder, 'cells.ipynb')
  const cells = sources.map((source, i) => ({
    cell_type: 'code',
    id: `cell-${i}`,
    execution_count: null,
    metadata: {},
    outputs: [],
    source,
  }))
  writeFileSync(file, JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }))
  return file
}

/** What a cell printed and the text of its result: stock tslab prints results as well, with an end of line. */
const shown = (kept: Notebook, cell: number): string =>
  kept.cells[cell]!.outputs.flatMap(({ text, data }) => text ?? data?.['text/plain'] ?? [])
    .join('')
    .trimEnd()

const title = (kernel: string): string => titled(`the notebook runner on ${kernel}`, ready, missing)

describe.skipIf(!ready).each([
  { kernel: 'qlora', name: title('our kernel'), first: `'first'`, death: 'ended with 3' },
  { kernel: 'tslab', name: title('stock tslab'), first: 'first', death: 'the kernel died' },
])('$name', ({ kernel, first, death }) => {
  const run = (notebook: string, ...options: string[]): ReturnType<typeof execute> =>
    execute(notebook, '--kernel', kernel, ...options)

  it('finds the types of Node and of qlora, and keeps what a cell printed, without colours or warnings', () => {
    const { status, kept } = run(join(root, 'test/scripts/fixtures/one-plus-one.ipynb'))
    expect(status).toBe(0)
    expect(shown(kept, 0)).toBe('function true\n2')
    expect(kept.cells[0]!.execution_count).toBe(1)
  })

  it('fails at a cell that throws, names it, and keeps the outputs up to there', () => {
    const { status, said, kept } = run(notebookOf(`'first'`, `throw new Error('boom')`, `'never'`))
    expect(status).toBe(1)
    expect(said).toContain(`Cell 2 of 3 failed:\n\nthrow new Error('boom')`)
    expect(said).toContain('Error: boom')
    expect(said).not.toContain('tslab')
    expect(shown(kept, 0)).toBe(first)
    expect(kept.cells[2]!.outputs).toEqual([])
  })

  it('keeps what is printed in pieces as one output', () => {
    const pieces = `for (const piece of ['a', 'b', 'c']) {
  process.stdout.write(piece)
  await new Promise((done) => setTimeout(done, 50))
}`
    const { kept } = run(notebookOf(pieces))
    expect(kept.cells[0]!.outputs.map(({ text }) => text)).toEqual([['abc']])
  })

  it('fails at a type error', () => {
    const { status, said } = run(notebookOf(`const text: string = 1`))
    expect(status).toBe(1)
    expect(said).toContain(`1:7 - Type 'number' is not assignable to type 'string'.`)
  })

  it('fails when the kernel dies', () => {
    const { status, said } = run(notebookOf(`process.exit(3)`))
    expect(status).toBe(1)
    expect(said).toContain(death)
  })

  it('interrupts a cell when the time for the notebook is over', () => {
    const { status, said } = run(notebookOf(`while (true) {}`), '--seconds', '2')
    expect(status).toBe(1)
    expect(said).toContain('the notebook took longer than 2 s')
  })
})

describe.skipIf(!ready)(titled('the kernel of a notebook', ready, missing), () => {
  it('is the one that it names', () => {
    const { status, kept } = execute(join(root, 'test/scripts/fixtures/one-plus-one.ipynb'))
    expect(status).toBe(0)
    expect(kept.cells[0]!.outputs.map(({ output_type }) => output_type)).not.toContain('execute_result')
  })

  it('is ours where it names none, and in the tutorial', () => {
    const { status, kept } = execute(notebookOf(`1 + 1`))
    expect(status).toBe(0)
    expect(kept.cells[0]!.outputs.map(({ output_type }) => output_type)).toEqual(['execute_result'])
    const tutorial = readFileSync(join(root, 'notebooks/en/01-llama3-chatqa-qlora.ipynb'), 'utf8')
    expect(JSON.parse(tutorial)).toMatchObject({ metadata: { kernelspec: { name: 'qlora' } } })
  })
})
