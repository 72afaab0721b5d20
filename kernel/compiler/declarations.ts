import type * as TypeScript from 'typescript'
import type { Declaration, DeclarationChange } from './declaration-list'
import { ts } from './typescript'

const { Value, Type, Namespace, Alias } = ts.SymbolFlags
const everything = Value | Type | Namespace

/** @param output - the cell's declaration file; only its own names are used, not its re-exports */
export function changeOf(cell: TypeScript.SourceFile, output: string): DeclarationChange {
  const names = localsOf(cell)
  return {
    declared: [...names].map(([name, symbol]) => [name, meaningOf(symbol)]),
    added: read(output).filter(({ name }) => names.has(name)),
  }
}

/** The names that a cell declares. */
export function localsOf(cell: TypeScript.SourceFile): Map<string, TypeScript.Symbol> {
  const { locals } = cell as unknown as { locals?: Map<TypeScript.__String, TypeScript.Symbol> }
  const named = [...(locals ?? [])].map(
    ([name, symbol]) => [ts.unescapeLeadingUnderscores(name), symbol] as const,
  )
  // `declare global` and `declare module "x"` are included too.
  return new Map(named.filter(([name]) => ts.isIdentifierText(name) && name !== '__global'))
}

function meaningOf({ flags }: TypeScript.Symbol): TypeScript.SymbolFlags {
  return flags & Alias ? everything : flags & everything
}

function read(text: string): Declaration[] {
  const file = ts.createSourceFile('declarations.d.ts', text, ts.ScriptTarget.Latest, true)
  return file.statements.flatMap((statement) => {
    if (ts.isVariableStatement(statement)) return variables(statement)
    if (ts.isImportDeclaration(statement)) return imports(statement)
    const name = (statement as { name?: TypeScript.Node }).name
    if (!name || !ts.isIdentifier(name)) return []
    return [{ name: name.text, meaning: meaning(statement), text: ambient(statement, statement.getText()) }]
  })
}

function meaning(statement: TypeScript.Statement): TypeScript.SymbolFlags {
  if (ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement)) return Type
  if (ts.isClassDeclaration(statement) || ts.isEnumDeclaration(statement)) return Value | Type
  return ts.isFunctionDeclaration(statement) ? Value : everything
}

function variables(statement: TypeScript.VariableStatement): Declaration[] {
  const { declarations, flags } = statement.declarationList
  const kind = flags & ts.NodeFlags.Const ? 'const' : flags & ts.NodeFlags.Let ? 'let' : 'var'
  return declarations.map((declaration) => ({
    name: declaration.name.getText(),
    meaning: Value,
    text: `declare ${kind} ${declaration.getText()};`,
  }))
}

function imports({ importClause, moduleSpecifier }: TypeScript.ImportDeclaration): Declaration[] {
  if (!importClause) return []
  const from = (names: string): string =>
    `import ${importClause.isTypeOnly ? 'type ' : ''}${names} from ${moduleSpecifier.getText()};`
  const { name, namedBindings } = importClause
  const found: [string, string][] = name ? [[name.text, name.text]] : []
  if (namedBindings && ts.isNamespaceImport(namedBindings)) {
    found.push([namedBindings.name.text, namedBindings.getText()])
  } else if (namedBindings) {
    for (const element of namedBindings.elements) found.push([element.name.text, `{ ${element.getText()} }`])
  }
  return found.map(([local, names]) => ({ name: local, meaning: everything, text: from(names) }))
}

/** Without `export`, which the cell contained or was given. */
function ambient(statement: TypeScript.Statement, text: string): string {
  const bare = text.replace(/^export\s+(default\s+)?/, '')
  const declarable = !ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement)
  return !declarable || /^(declare|import)\b/.test(bare) ? bare : `declare ${bare}`
}
