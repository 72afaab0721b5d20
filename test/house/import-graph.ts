import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'

export interface Import {
  /** Paths relative to the folder that was read, without `.ts`. */
  from: string
  to: string
  /** `import type`, or an import of types only: nothing is loaded at run time. */
  isType: boolean
}

/** Every import and export of a relative path in the TypeScript files under a folder, `import()` included. */
export function importsUnder(folder: string): Import[] {
  return sources(folder).flatMap((file) => {
    const tree = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true)
    const found: Import[] = []
    const add = (specifier: string, isType: boolean): void => {
      if (!specifier.startsWith('.')) return
      const target = resolve(dirname(file), specifier.replace(/\.js$/, ''))
      const to = existsSync(`${target}.ts`) ? target : join(target, 'index')
      found.push({ from: name(folder, file.replace(/\.ts$/, '')), to: name(folder, to), isType })
    }
    const visit = (node: ts.Node): void => {
      if (ts.isImportDeclaration(node)) add(text(node.moduleSpecifier), isTypeImport(node.importClause))
      else if (ts.isExportDeclaration(node) && node.moduleSpecifier)
        add(text(node.moduleSpecifier), node.isTypeOnly)
      else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
        add(text(node.arguments[0]!), false)
      else ts.forEachChild(node, visit)
    }
    visit(tree)
    return found
  })
}

/** A cycle of files by what is loaded at run time, as the names along it; undefined when there is none. */
export function findCycle(imports: readonly Import[]): string[] | undefined {
  const next = new Map<string, string[]>()
  for (const { from, to, isType } of imports) if (!isType) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const visit = (file: string, path: string[]): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    for (const to of next.get(file) ?? []) {
      const cycle = visit(to, [...path, file])
      if (cycle) return cycle
    }
    done.add(file)
    return undefined
  }
  for (const file of next.keys()) {
    const cycle = visit(file, [])
    if (cycle) return cycle
  }
  return undefined
}

const name = (folder: string, file: string): string => relative(folder, file).replaceAll('\\', '/')
const text = (node: ts.Node): string => (ts.isStringLiteralLike(node) ? node.text : '')

function sources(folder: string): string[] {
  return readdirSync(folder).flatMap((entry) => {
    const path = join(folder, entry)
    if (statSync(path).isDirectory()) return sources(path)
    return path.endsWith('.ts') ? [path] : []
  })
}

function isTypeImport(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false
  const bindings = clause.namedBindings
  const onlyTypes = bindings && ts.isNamedImports(bindings) && bindings.elements.every((e) => e.isTypeOnly)
  return clause.isTypeOnly || (!clause.name && onlyTypes === true)
}
