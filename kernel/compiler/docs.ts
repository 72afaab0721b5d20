import type * as TypeScript from 'typescript'
import { ts } from './typescript'

/** Adds doc comments, which `documents.ts` has removed, to the declarations of the symbol at `position`. */
export function attachDocs(
  checker: TypeScript.TypeChecker,
  cell: TypeScript.SourceFile,
  position: number,
): void {
  const node = ts.getTouchingPropertyName(cell, position)
  for (const declaration of declarationsOf(checker, node)) {
    const file = declaration.getSourceFile()
    if (!file.isDeclarationFile) continue
    const text = ts.sys.readFile(file.fileName)
    if (text?.length !== file.text.length) continue
    // The comment of `declare const x` is two levels up.
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

/** For a name in an object literal, the expected property, so that options have their documentation. */
export function symbolAt(
  node: TypeScript.Node,
  checker: TypeScript.TypeChecker,
): TypeScript.Symbol | undefined {
  const element = ts.getContainingObjectLiteralElement(node)
  const expected = element && checker.getContextualType(element.parent as TypeScript.Expression)
  if (expected) {
    const found = ts.getPropertySymbolsFromContextualType(element, checker, expected, false)
    if (found.length === 1) return found[0]
  }
  return checker.getSymbolAtLocation(node)
}

function declarationsOf(checker: TypeScript.TypeChecker, node: TypeScript.Node): TypeScript.Declaration[] {
  const found = symbolAt(node, checker)
  const symbol = found && found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found
  return symbol?.declarations ?? []
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
