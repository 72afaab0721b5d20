import { pathToFileURL } from 'node:url'
import type { Inspector } from '../runner/inspector'
import { breakable, type CellScript, type Sources } from './sources'

export interface Breakpoint {
  line: number
  verified: boolean
  message?: string
}

/** Breakpoints as the frontend requests them, by path, and as V8 has them, by script. */
export class Breakpoints {
  private readonly wanted = new Map<string, Breakpoint[]>()
  /** V8's ids, by script URL. */
  private readonly placed = new Map<string, string[]>()

  constructor(
    private readonly inspector: Inspector,
    private readonly sources: Sources,
  ) {}

  all(): { source: string; breakpoints: Breakpoint[] }[] {
    return [...this.wanted].map(([source, breakpoints]) => ({ source, breakpoints }))
  }

  clear(): void {
    this.wanted.clear()
    this.placed.clear()
  }

  /** V8 has none of them any more; those of a cell are set when it runs again. */
  unplaced(): void {
    this.placed.clear()
  }

  /** Replaces the breakpoints of a path; a breakpoint on a line without code moves to the next line with code. */
  async set(path: string, lines: number[], isAttached: boolean): Promise<Breakpoint[]> {
    const cells = this.sources.cellsOf(path)
    const newest = cells.at(-1)
    const set: Breakpoint[] = lines.map((line) => {
      // Nothing is known about a cell's lines before it has run.
      if (!newest) return { line, verified: true }
      const place = breakable(newest, line)
      if (place) return { line: place.line, verified: true }
      return { line, verified: false, message: `no code at line ${line} or after it` }
    })
    this.wanted.set(path, set)
    if (!isAttached) return set
    for (const cell of cells) await this.place(cell)
    if (!path.startsWith(this.sources.prefix)) await this.placeInFile(path, set)
    return set
  }

  /** Sends all breakpoints to V8. */
  async placeAll(): Promise<void> {
    for (const path of this.wanted.keys()) {
      for (const cell of this.sources.cellsOf(path)) await this.place(cell)
    }
  }

  /** Replaces the breakpoints of the script's URL. */
  async place(cell: CellScript): Promise<void> {
    await this.unplace(cell.url)
    const wanted = this.wanted.get(this.sources.path(cell.code)) ?? []
    const lines = new Set(wanted.map(({ line }) => breakable(cell, line)?.script))
    for (const lineNumber of lines) {
      if (lineNumber !== undefined) await this.placeAt(cell.url, lineNumber)
    }
  }

  /** A JavaScript file that a cell has loaded: its lines are those that run. */
  private async placeInFile(path: string, set: Breakpoint[]): Promise<void> {
    const url = pathToFileURL(path).href
    await this.unplace(url)
    for (const breakpoint of set) {
      breakpoint.verified = await this.placeAt(url, breakpoint.line - 1)
      if (!breakpoint.verified) breakpoint.message = `${path}: not loaded, or no code there`
    }
  }

  /** Returns whether the script exists and has code there. */
  private async placeAt(url: string, lineNumber: number): Promise<boolean> {
    const { breakpointId, locations } = await this.inspector.post<{
      breakpointId: string
      locations: unknown[]
    }>('Debugger.setBreakpointByUrl', { url, lineNumber })
    this.placed.set(url, [...(this.placed.get(url) ?? []), breakpointId])
    return locations.length > 0
  }

  private async unplace(url: string): Promise<void> {
    const ids = this.placed.get(url) ?? []
    this.placed.delete(url)
    for (const breakpointId of ids) await this.inspector.post('Debugger.removeBreakpoint', { breakpointId })
  }
}
