import type * as TypeScript from 'typescript'
import type { isCompleteCode } from 'tslab/dist/converter'
import { ts } from './typescript'

export interface Completeness {
  status: 'complete' | 'incomplete' | 'invalid'
  indent?: string
}

export interface Finding {
  start: { line: number; character: number }
  end: { line: number; character: number }
  messageText: string
  fileName?: string | undefined
}

/** tslab tells complete from incomplete; what it calls complete may still not parse. */
export function completeness(code: string, check: typeof isCompleteCode): Completeness {
  const found = check(code)
  if (!found.completed) return { status: 'incomplete', indent: found.indent ?? '' }
  return { status: syntaxErrors(code).length > 0 ? 'invalid' : 'complete' }
}

// As a module, so that a top-level `await` parses.
const prefix = 'export {};'

/** What does not parse; positions are the cell's, from 0. */
export function syntaxErrors(code: string): Finding[] {
  const file = ts.createSourceFile('cell.ts', prefix + code, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS)
  const { parseDiagnostics } = file as unknown as { parseDiagnostics: TypeScript.Diagnostic[] }
  const place = (offset: number): { line: number; character: number } => {
    const { line, character } = file.getLineAndCharacterOfPosition(offset)
    return { line, character: line === 0 ? character - prefix.length : character }
  }
  return parseDiagnostics.map(({ start = 0, length = 0, messageText }) => ({
    start: place(start),
    end: place(start + length),
    messageText: ts.flattenDiagnosticMessageText(messageText, '\n'),
  }))
}

/** Whether a `for await` stands outside of every function; the converter tells of `await` only. */
export function hasForAwait(code: string): boolean {
  if (!/\bfor\s+await\b/.test(code)) return false
  const file = ts.createSourceFile('cell.ts', prefix + code, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS)
  const find = (node: TypeScript.Node): boolean => {
    if (ts.isFunctionLike(node) || ts.isClassLike(node)) return false
    if (ts.isForOfStatement(node) && node.awaitModifier) return true
    return ts.forEachChild(node, find) ?? false
  }
  return find(file)
}
