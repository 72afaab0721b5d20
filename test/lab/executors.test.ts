import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { root } from '../scripts/checkout'
import { notebookOf, writeNotebook, type Notebook } from './notebook'

// The programs that run notebooks without a person: what they make of a cell that fails is an exit code.
const bin = join(root, '.venv/bin')
const needed = ['jupyter-nbconvert', 'papermill'].map((name) => join(bin, name))
const missing = [...needed, join(root, '.venv/share/jupyter/kernels/qlora/kernel.json')].find(
  (file) => !existsSync(file),
)
const folder = mkdtempSync(join(tmpdir(), 'qlora-executors-'))
afterAll(() => rmSync(folder, { recursive: true }))

interface Executed {
  status: number | null
  said: string
  kept: Notebook | undefined
}

const executors = {
  'nbconvert --execute': [
    'jupyter-nbconvert',
    '--to',
    'notebook',
    '--output',
    'out',
    '--execute',
    'in.ipynb',
  ],
  papermill: ['papermill', '--no-progress-bar', 'in.ipynb', 'out.ipynb'],
}

function execute(executor: keyof typeof executors, cells: string[], kernel?: string): Executed {
  const kept = join(folder, 'out.ipynb')
  rmSync(kept, { force: true })
  writeNotebook(join(folder, 'in.ipynb'), notebookOf(cells, kernel))
  const [command, ...args] = executors[executor]
  const { status, stderr } = spawnSync(join(bin, command!), args, { cwd: folder, encoding: 'utf8' })
  const text = existsSync(kept) ? readFileSync(kept, 'utf8') : undefined
  return { status, said: stderr, kept: text === undefined ? undefined : (JSON.parse(text) as Notebook) }
}

const title = missing ? `[skipped: ${missing} not found]` : 'runs a notebook'
const names = Object.keys(executors) as (keyof typeof executors)[]
describe.skipIf(missing).each(names)(`%s ${title}`, (executor) => {
  it('with exit code 0, results and execution counts kept', () => {
    const { status, kept } = execute(executor, ['const a: number = 1', 'a + 1', 'console.log(await a)'])
    expect(status).toBe(0)
    const code = kept!.cells.filter(({ cell_type }) => cell_type === 'code')
    expect(code.map(({ execution_count }) => execution_count)).toEqual([1, 2, 3])
    expect(code.map(({ outputs }) => outputs.map(({ text, data }) => text ?? data))).toEqual([
      [],
      [{ 'text/plain': ['2'] }],
      [['1\n']],
    ])
  })

  it.each([
    [
      'that throws',
      `throw new RangeError('boom')`,
      "RangeError: boom\n--> cell [2], line 1:  throw new RangeError('boom')\n    at cell [2], line 1",
    ],
    ['that leaves a rejected promise', `Promise.reject(new Error('lost'))`, 'Error: lost'],
    [
      'with a type error',
      `const text: string = 1`,
      `1:7 - Type 'number' is not assignable to type 'string'.`,
    ],
  ])('with exit code 1 at a cell %s', (_, source, message) => {
    const { status, said, kept } = execute(executor, ['1', source, '3'])
    expect(status).toBe(1)
    expect(said).toContain(message)
    // nbconvert writes nothing when a cell fails, papermill what there is, below a note about the failure.
    const cells = kept?.cells.filter(({ id }) => id.startsWith('cell-'))
    if (executor === 'papermill') expect(cells).toHaveLength(3)
    for (const cell of cells ?? []) {
      const number = Number(cell.id.slice(-1))
      expect(cell.execution_count).toBe(number < 3 ? number : null)
    }
  })

  it('on stock tslab as well', () => {
    const { status, kept } = execute(executor, ['const a: number = 1\na + 1'], 'tslab')
    expect(status).toBe(0)
    expect(kept!.cells.at(-1)!.outputs).toMatchObject([{ name: 'stdout', text: ['2\n'] }])
  })
})
