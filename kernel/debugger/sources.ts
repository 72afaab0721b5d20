import { tmpdir } from 'node:os'
import { join, sep } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

/** A cell as it ran: `lines` gives the cell's line for each line of its JavaScript, both counted from 1. */
export interface CellScript {
  code: string
  url: string
  lines: readonly number[]
}

const kernelFolder = pathToFileURL(join(__dirname, '..')).href + '/'

/** Scripts that steps skip and stacks do not show: Node's and the kernel's own. */
export const internalPatterns: readonly string[] = [
  '^node:',
  `^${kernelFolder.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`,
]

export const isInternal = (url: string): boolean => url.startsWith('node:') || url.startsWith(kernelFolder)

export const hashSeed = 0xc70f6907

/** MurmurHash2 (32 bits) of the UTF-8 bytes: frontends identify a cell by the hash of its text. */
export function murmur2(text: string, seed: number): number {
  const bytes = Buffer.from(text)
  const m = 0x5bd1e995
  let hash = seed ^ bytes.length
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), m)
    word ^= word >>> 24
    hash = Math.imul(hash, m) ^ Math.imul(word, m)
  }
  const rest = bytes.subarray(at)
  if (rest.length > 0) {
    rest.forEach((byte, i) => (hash ^= byte << (8 * i)))
    hash = Math.imul(hash, m)
  }
  hash = Math.imul(hash ^ (hash >>> 13), m)
  return (hash ^ (hash >>> 15)) >>> 0
}

/** Maps scripts to cells and back. A cell's path is only a name, which frontends compute from the cell's text. */
export class Sources {
  readonly prefix: string = join(tmpdir(), `qlora_kernel_${process.pid}`) + sep
  readonly suffix: string = '.ts'
  private readonly texts = new Map<string, string>()
  private readonly cells = new Map<string, CellScript>()
  private readonly urls = new Map<string, string>()

  path(code: string): string {
    return `${this.prefix}${murmur2(code, hashSeed)}${this.suffix}`
  }

  /** Registers a text; returns its path. */
  dump(code: string): string {
    const path = this.path(code)
    this.texts.set(path, code)
    return path
  }

  /** A cell is about to run; forgets what ran under the same URL before. */
  executed(script: CellScript): void {
    this.cells.set(script.url, script)
  }

  parsed(scriptId: string, url: string): void {
    this.urls.set(scriptId, url)
  }

  url(scriptId: string): string {
    return this.urls.get(scriptId) ?? ''
  }

  /** The script of a URL that is not a cell's. */
  scriptId(url: string): string | undefined {
    return [...this.urls].find(([, known]) => known === url)?.[0]
  }

  cell(url: string): CellScript | undefined {
    return this.cells.get(url)
  }

  cellsOf(path: string): CellScript[] {
    return [...this.cells.values()].filter(({ code }) => this.path(code) === path)
  }

  text(path: string): string | undefined {
    return this.texts.get(path) ?? this.cellsOf(path)[0]?.code
  }

  /** The files of the notebook's own modules and of packages. */
  files(): string[] {
    const found = [...this.urls.values()].filter((url) => url.startsWith('file:') && !isInternal(url))
    return [...new Set(found)].map((url) => fileURLToPath(url))
  }
}

const lineCount = (code: string): number => code.split('\n').length

/**
 * Where to stop for a line of the cell: the first JavaScript line (counted from 0) of that line, or of the next
 * line with code. Code that the converter added has no line, or one after the cell's last.
 */
export function breakable(cell: CellScript, line: number): { script: number; line: number } | undefined {
  const last = lineCount(cell.code)
  let found: { script: number; line: number } | undefined
  cell.lines.forEach((mapped, script) => {
    if (mapped >= line && mapped <= last && mapped < (found?.line ?? Infinity))
      found = { script, line: mapped }
  })
  return found
}

/** The cell's line for a JavaScript line (counted from 0); undefined for code that the converter added. */
export function cellLine(cell: CellScript, script: number): number | undefined {
  const line = cell.lines[script]
  return line !== undefined && line > 0 && line <= lineCount(cell.code) ? line : undefined
}
