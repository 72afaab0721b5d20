import type * as TypeScript from 'typescript'
import { ts } from './typescript'

export interface Completeness {
  status: 'complete' | 'incomplete' | 'invalid'
  indent?: string
}

/** Whether Enter runs the code or continues it. */
export function completeness(code: string): Completeness {
  const file = parse(code)
  const [first] = syntaxErrors(file)
  if (!first) return { status: file.statements.some(isNameless) ? 'invalid' : 'complete' }
  // Two empty lines mean that the input is complete.
  const isOpen = !/\n\s*\n\s*$/.test(code) && isOpenEnd(first, code)
  return isOpen ? { status: 'incomplete', indent: indent(code) } : { status: 'invalid' }
}

/** `class {}` parses; only the checker rejects it. */
function isNameless(statement: TypeScript.Statement): boolean {
  if (!ts.isClassDeclaration(statement) || statement.name) return false
  return !statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)
}

/** The syntax errors. */
export function syntaxErrors(file: TypeScript.SourceFile): readonly TypeScript.Diagnostic[] {
  return (file as unknown as { parseDiagnostics: TypeScript.Diagnostic[] }).parseDiagnostics
}

const unterminated = new Set([1010, 1126, 1160])

/**
 * Whether an error is about something missing at the end of the code, or about a comment or template that is
 * not closed.
 */
function isOpenEnd({ code: message, start = 0 }: TypeScript.Diagnostic, code: string): boolean {
  return unterminated.has(message) || start >= code.trimEnd().length
}

function indent(code: string): string {
  const line = code.slice(code.lastIndexOf('\n') + 1)
  const current = /^\s*/.exec(line)![0]
  return /[{([]\s*$/.test(line) ? current + '  ' : current
}

function parse(code: string): TypeScript.SourceFile {
  const setExternalModuleIndicator = (file: TypeScript.SourceFile): void =>
    void Object.assign(file, { externalModuleIndicator: true })
  return ts.createSourceFile('cell.ts', code, {
    languageVersion: ts.ScriptTarget.Latest,
    setExternalModuleIndicator,
  })
}

/** Whether there is an `await`, a `for await` or an `await using` outside of all functions. */
export function hasAwait(file: TypeScript.SourceFile): boolean {
  const find = (node: TypeScript.Node): boolean => {
    if (ts.isFunctionLike(node)) return false
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true
    if (ts.isVariableDeclarationList(node) && isAwaitUsing(node)) return true
    return ts.forEachChild(node, find) ?? false
  }
  return find(file)
}

const isAwaitUsing = ({ flags }: TypeScript.VariableDeclarationList): boolean =>
  (flags & ts.NodeFlags.AwaitUsing) === ts.NodeFlags.AwaitUsing
