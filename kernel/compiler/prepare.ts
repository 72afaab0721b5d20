import type * as TypeScript from 'typescript'
import { ts } from './typescript'

export interface Position {
  line: number
  character: number
}

export interface Prepared {
  code: string
  /** From a place in `code` to the place in the cell. */
  original(place: Position): Position
}

/**
 * What the converter does not take, said so that it does, line by line the same: `export const x` loses its `export`
 * (every local is exported anyway), and `{ x }` becomes `{ x: x }`, because it finds earlier cells' names in the latter only.
 */
export function prepare(cell: string): Prepared {
  const file = ts.createSourceFile('cell.ts', cell, ts.ScriptTarget.Latest, true, ts.ScriptKind.TS)
  const inserts: { at: number; text: string }[] = []
  const visit = (node: TypeScript.Node): void => {
    if (ts.isShorthandPropertyAssignment(node)) {
      inserts.push({ at: node.name.getStart(file), text: `${node.name.text}: ` })
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  let code = withoutExports(file)
  for (const { at, text } of [...inserts].reverse()) code = code.slice(0, at) + text + code.slice(at)
  const original = ({ line, character }: Position): Position => {
    let shift = 0
    for (const { at, text } of inserts) {
      const place = file.getLineAndCharacterOfPosition(at)
      if (place.line === line && place.character + shift < character) {
        shift += Math.min(text.length, character - place.character - shift)
      }
    }
    return { line, character: character - shift }
  }
  return { code, original }
}

function withoutExports(file: TypeScript.SourceFile): string {
  let out = file.text
  for (const statement of file.statements) {
    if (!ts.canHaveModifiers(statement)) continue
    const modifiers = ts.getModifiers(statement) ?? []
    if (modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword)) continue
    const found = modifiers.find((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword)
    if (found) out = out.slice(0, found.getStart(file)) + ' '.repeat(6) + out.slice(found.end)
  }
  return out
}
