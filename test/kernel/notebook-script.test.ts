import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const root = resolve(__dirname, '../..')
const missing = [join(root, 'dist-kernel/main.js')].find((file) => !existsSync(file))
const title = missing
  ? `scripts/gpu/notebook.mjs [skipped: ${missing} not found]`
  : 'scripts/gpu/notebook.mjs'

interface Cell {
  execution_count: number | null
  outputs: Record<string, unknown>[]
}

const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII='

describe.skipIf(missing)(title, () => {
  let folder: string
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'notebook-'))))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function run(sources: string[], ...options: string[]) {
    const cells = sources.map((source) => ({ cell_type: 'code', source, metadata: {}, outputs: [] }))
    const notebook = { cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }
    writeFileSync(join(folder, 'in.ipynb'), JSON.stringify(notebook))
    const script = join(root, 'scripts/gpu/notebook.mjs')
    const words = [script, join(folder, 'in.ipynb'), join(folder, 'out.ipynb'), ...options]
    const { status, stdout, stderr } = spawnSync(process.execPath, words, {
      encoding: 'utf8',
      timeout: 60_000,
    })
    const written = JSON.parse(readFileSync(join(folder, 'out.ipynb'), 'utf8')) as { cells: Cell[] }
    return { status, stdout, stderr, cells: written.cells }
  }

  it('keeps what the cells print, show and update, and draws the pictures', () => {
    const found = run(
      [
        'console.log(given); console.log("b"); 1 + 1',
        'const hook = (globalThis as any)[Symbol.for("qlora.display")]\n' +
          'const id = hook.display({ "text/plain": "first" })',
        `void hook.update(id, { "text/plain": "second", "image/png": Buffer.from("${pixel}", "base64") })`,
      ],
      ...['--before', 'const given = "a"', '--pictures', join(folder, 'pictures')],
    )
    expect(found.stderr).toBe('')
    expect(found.status).toBe(0)
    expect(found.cells.map(({ execution_count }) => execution_count)).toEqual([2, 3, 4])
    expect(found.cells[0]!.outputs).toMatchObject([
      { output_type: 'stream', name: 'stdout', text: 'a\nb\n' },
      { output_type: 'execute_result', data: { 'text/plain': '2' } },
    ])
    expect(found.cells[1]!.outputs).toMatchObject([{ data: { 'text/plain': 'second', 'image/png': pixel } }])
    expect(found.cells[2]!.outputs).toEqual([])
    expect(found.stdout).toContain('shown in 2 frames, the last:\nsecond')
    expect(readFileSync(join(folder, 'pictures/cell-01-0.png'), 'base64')).toBe(pixel)
  })

  it('ends with a failing cell, and interrupts one that takes too long', () => {
    const found = run(['throw new Error("no luck")', 'console.log("never")'])
    expect(found.status).toBe(1)
    expect(found.stderr).toContain('cell 1: Error: no luck')
    expect(found.cells[0]!.outputs).toMatchObject([{ output_type: 'error', evalue: 'no luck' }])
    expect(found.cells[1]).toMatchObject({ execution_count: null, outputs: [] })
    const endless = run(['await new Promise(() => {})'], '--cell-seconds', '1')
    expect(endless.stdout).toContain('cell 1 is interrupted')
    expect(endless.status).toBe(1)
  })
})
