import type * as TypeScript from 'typescript'
import { lastExpression } from '../runner/parameters'
import { ts } from './typescript'
import type { Checked } from './workspace'

export interface Output {
  code: string
  map: string
  declarations: string
  hasLastExpression: boolean
  diagnostics: readonly TypeScript.Diagnostic[]
}

/** JavaScript, source map and declarations of the cell, or of a helper file in the same program. */
export function emit(checked: Checked, file: TypeScript.SourceFile): Output {
  const output: Output = {
    code: '',
    map: '',
    declarations: '',
    hasLastExpression: false,
    diagnostics: [],
  }
  const write = (name: string, text: string): void => {
    if (name.endsWith('.map')) output.map = text
    else if (/\.d\.[cm]?ts$/.test(name)) output.declarations = text
    else output.code = text.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '')
  }
  const before: TypeScript.TransformerFactory<TypeScript.SourceFile>[] = [dynamicImports]
  if (file === checked.cell) {
    before.push(
      (context) => (cell) => namesOfEarlierCells(checked, cell, context),
      () => (cell) => {
        const kept = keepLastExpression(cell)
        output.hasLastExpression = kept !== cell
        return kept
      },
    )
  }
  output.diagnostics = checked.program.emit(file, write, undefined, false, {
    before,
    after: [withoutUseStrict],
  }).diagnostics
  return output
}

const { factory } = ts

/** `x` of an earlier cell becomes `exports.x`. */
function namesOfEarlierCells(
  { checker, earlier }: Checked,
  cell: TypeScript.SourceFile,
  context: TypeScript.TransformationContext,
): TypeScript.SourceFile {
  const { locals } = earlier as unknown as { locals: Map<TypeScript.__String, TypeScript.Symbol> }
  const exported = (name: TypeScript.Identifier): TypeScript.Expression =>
    ts.setTextRange(
      factory.createPropertyAccessExpression(factory.createIdentifier('exports'), name.text),
      name,
    )
  const isEarlier = (name: TypeScript.Identifier, symbol: TypeScript.Symbol | undefined): boolean =>
    symbol !== undefined && locals.get(name.escapedText) === symbol
  const visit = (node: TypeScript.Node): TypeScript.Node => {
    if (ts.isIdentifier(node)) {
      return isEarlier(node, checker.getSymbolAtLocation(node)) ? exported(node) : node
    }
    if (ts.isShorthandPropertyAssignment(node)) return shorthand(node)
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) return call(node)
    // Types are removed; `extends x` is parsed as one, but is none.
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return node
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node
    return ts.visitEachChild(node, visit, context)
  }
  function shorthand(node: TypeScript.ShorthandPropertyAssignment): TypeScript.Node {
    if (!isEarlier(node.name, checker.getShorthandAssignmentValueSymbol(node))) {
      return ts.visitEachChild(node, visit, context)
    }
    const value = exported(node.name)
    const { objectAssignmentInitializer: initial } = node
    const initialized = initial
      ? factory.createAssignment(value, ts.visitNode(initial, visit) as TypeScript.Expression)
      : value
    return ts.setTextRange(factory.createPropertyAssignment(node.name.text, initialized), node)
  }
  /** `f()` must not get `exports` as its `this`. */
  function call(node: TypeScript.CallExpression): TypeScript.Node {
    const name = node.expression as TypeScript.Identifier
    const visited = ts.visitEachChild(node, visit, context)
    if (!isEarlier(name, checker.getSymbolAtLocation(name))) return visited
    const free = factory.createParenthesizedExpression(
      factory.createComma(factory.createNumericLiteral(0), visited.expression),
    )
    return factory.updateCallExpression(visited, ts.setTextRange(free, name), undefined, visited.arguments)
  }
  return ts.visitEachChild(cell, visit, context)
}

/** Returns the same file if a cell does not end with an expression. */
function keepLastExpression(cell: TypeScript.SourceFile): TypeScript.SourceFile {
  const statements = [...cell.statements]
  const isNothing = (statement: TypeScript.Statement): boolean =>
    ts.isExportDeclaration(statement) ||
    ts.isEmptyStatement(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement)
  let at = statements.length - 1
  while (at >= 0 && isNothing(statements[at]!)) at--
  const last = statements[at]
  if (!last || !ts.isExpressionStatement(last)) return cell
  const place = factory.createElementAccessExpression(
    factory.createIdentifier('exports'),
    factory.createStringLiteral(lastExpression),
  )
  const assignment = factory.createExpressionStatement(factory.createAssignment(place, last.expression))
  statements[at] = ts.setTextRange(assignment, last)
  return factory.updateSourceFile(cell, statements)
}

/** `import(x)` becomes `require.import(x)`, which also loads what only `import` can load. */
function dynamicImports(context: TypeScript.TransformationContext) {
  return (file: TypeScript.SourceFile): TypeScript.SourceFile => {
    const visit = (node: TypeScript.Node): TypeScript.Node => {
      const visited = ts.visitEachChild(node, visit, context)
      if (!ts.isCallExpression(visited) || visited.expression.kind !== ts.SyntaxKind.ImportKeyword)
        return visited
      const load = factory.createPropertyAccessExpression(factory.createIdentifier('require'), 'import')
      return ts.setTextRange(factory.createCallExpression(load, undefined, visited.arguments), node)
    }
    return ts.visitEachChild(file, visit, context)
  }
}

/** As in tslab, cells are not in strict mode: TypeScript's own `'use strict'` is removed; one in the cell stays. */
function withoutUseStrict() {
  return (file: TypeScript.SourceFile): TypeScript.SourceFile => {
    const isAdded = (statement: TypeScript.Statement): boolean =>
      ts.isExpressionStatement(statement) &&
      ts.isStringLiteral(statement.expression) &&
      statement.expression.text === 'use strict' &&
      statement.pos < 0
    return factory.updateSourceFile(
      file,
      file.statements.filter((statement) => !isAdded(statement)),
    )
  }
}
