import type * as TypeScript from 'typescript'
import { ts } from './typescript'

/** Gives the declarations of what stands at `position` their doc comments, which `documents.ts` has left out. */
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

/** A name in an object literal stands for the property that is expected there. */
function declarationsOf(checker: TypeScript.TypeChecker, node: TypeScript.Node): TypeScript.Declaration[] {
  const literal = node.parent?.parent
  const expected =
    literal &&
    ts.isIdentifier(node) &&
    ts.isObjectLiteralExpression(literal) &&
    checker.getContextualType(literal)
  const property = expected ? checker.getPropertyOfType(expected, node.text) : undefined
  const found = property ?? checker.getSymbolAtLocation(node)
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
