import type * as TypeScript from 'typescript'
import { attachDocs, symbolAt } from './docs'
import type { Completion, Inspection } from './messages'
import { nodeModules } from './node-types'
import { neverCancelled, ts } from './typescript'
import type { Checked } from './workspace'

/**
 * Completions at a position of the cell: names that begin with the typed text, or if there are none, contain
 * it.
 */
export function complete({ program, cell }: Checked, position: number): Completion {
  const info = ts.Completions.getCompletionsAtPosition(
    { ...disk, getCurrentDirectory: () => program.getCurrentDirectory() },
    program,
    () => {},
    cell,
    position,
    {},
    undefined,
    ts.CompletionTriggerKind.Invoked,
    neverCancelled,
  )
  const before = /[\p{ID_Continue}$]*$/u.exec(cell.text.slice(0, position))![0]
  const after = /^[\p{ID_Continue}$]*/u.exec(cell.text.slice(position))![0]
  const typed = before.toLowerCase()
  const rank = (name: string): number => {
    if (name.startsWith(before)) return 0
    const lower = name.toLowerCase()
    return lower.startsWith(typed) ? 1 : lower.includes(typed) ? 2 : 3
  }
  const entries = new Map((info?.entries ?? []).map((entry) => [entry.name, entry.sortText]))
  // The checker knows only those of Node's modules that are loaded.
  if (isPackageName.test(cell.text.slice(0, position)))
    for (const name of nodeModules) entries.set(name, name)
  const ranked = [...entries]
    .map(([name, sort]) => ({ name, rank: rank(name), sort }))
    .filter((entry) => entry.rank < 3)
    .sort((a, b) => a.rank - b.rank || compare(a.sort, b.sort) || compare(a.name, b.name))
  const starting = ranked.filter((entry) => entry.rank < 2)
  return {
    start: position - before.length,
    end: position + after.length,
    candidates: (starting.length > 0 ? starting : ranked).map(({ name }) => name),
  }
}

const { fileExists, readFile, directoryExists, getDirectories, readDirectory } = ts.sys
/** The file system functions for completing paths in strings. */
const disk = { fileExists, readFile, directoryExists, getDirectories, readDirectory }

const isPackageName = /\b(?:from|import|require)\s*\(?\s*["'](?:node:)?\w*$/

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Type and documentation of the symbol at a position of the cell. */
export function inspect({ checker, cell }: Checked, position: number): Inspection {
  attachDocs(checker, cell, position)
  const node = ts.getTouchingPropertyName(cell, position)
  if (node === cell) return { found: false, text: '' }
  const symbol = symbolAt(node, checker)
  if (!symbol) {
    const type = checker.getTypeAtLocation(node)
    return { found: true, text: checker.typeToString(type, ts.getContainerNode(node)) }
  }
  const about = ts.SymbolDisplay.getSymbolDisplayPartsDocumentationAndSymbolKind(
    checker,
    symbol,
    cell,
    ts.getContainerNode(node),
    node,
  )
  const text = (parts: TypeScript.SymbolDisplayPart[] | undefined): string =>
    (parts ?? []).map((part) => part.text).join('')
  const tags = (about.tags ?? []).map((tag) => `@${tag.name} ${text(tag.text)}`.trimEnd())
  const doc = [text(about.documentation), ...tags].filter((line) => line !== '').join('\n')
  return { found: true, text: [text(about.displayParts), doc].filter((part) => part !== '').join('\n\n') }
}
