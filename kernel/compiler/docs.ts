import type * as TypeScript from 'typescript'
import { ts } from './typescript'

/** Gives the declarations of what stands at `position` their doc comments, which `documents.ts` has left out. */
export function attachDocs(
  checker: TypeScript.TypeChecker,
  cell: TypeScript.SourceFile,
  position: number,
): void {
  const node = ts.getTouchingPropertyName(cell, position)
  const found = checker.getSymbolAtLocation(node)
  const symbol = found && found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found
  for (const declaration of symbol?.declarations ?? []) {
    const file = declaration.getSourceFile()
    if (!file.isDeclarationFile) continue
    const text = ts.sys.readFile(file.fileName)
    if (text?.length !== file.text.length) continue
    // `declare const x` has its comment two levels up.
    for (
      let at = declaration, level = 0;
      level < 3 && !ts.isSourceFile(at);
      at = at.parent as never, level++
    ) {
      attach(at, text)
      if (ts.isStatement(at)) break
    }
  }
}

function attach(node: TypeScript.Node, text: string): void {
  const owner = node as { jsDoc?: TypeScript.JSDoc[] }
  if (owner.jsDoc) return
  const parsed = (ts.getJSDocCommentRanges(node, text) ?? []).flatMap(({ pos, end }) => {
    const jsDoc = ts.parseIsolatedJSDocComment(text, pos, end - pos)?.jsDoc
    if (!jsDoc) return []
    Object.assign(jsDoc, { parent: node })
    return [jsDoc]
  })
  if (parsed.length > 0) owner.jsDoc = parsed
}
