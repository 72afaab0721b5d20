import { isBuiltin } from 'node:module'
import type * as TypeScript from 'typescript'
import { lastExpression, parameters } from '../runner/parameters'
import { hasAwait, syntaxErrors } from './completeness'
import { DeclarationList, type Declaration } from './declaration-list'
import { changeOf, localsOf } from './declarations'
import { refused } from './diagnostics'
import { emit } from './emit'
import * as help from './help'
import { interruptible } from './interruptible'
import { lineTable } from './line-table'
import type { Compiled, Completion, Inspection, SideOutput } from './messages'
import { ts, type ProgramInternals } from './typescript'
import { Workspace, type Checked } from './workspace'

/**
 * Not errors in a cell: `await`, `for await` and `await using` outside of functions, since a cell is a
 * function; and import attributes, which `require` does not need.
 */
const allowed = new Set([1309, 1378, 1432, 2852, 2823, 2854, 2856])

/**
 * `noImplicitAny` gives `[]` and `null` the type of what is assigned later; what is still `any` then is no
 * error.
 */
const isImplicitAny = (code: number): boolean => code >= 7000 && code < 7100

/** Checks cells and converts them to JavaScript; keeps the declarations of earlier cells. */
export class Converter {
  private readonly workspace: Workspace
  private declarations: DeclarationList
  /** The helper files as they were last sent to the cells. */
  private readonly given = new Map<string, TypeScript.SourceFile>()

  /** @param declared - declarations of earlier cells that a previous thread has converted */
  constructor(
    private readonly folder: string,
    declared: readonly Declaration[] = [],
  ) {
    this.workspace = new Workspace(folder)
    this.declarations = new DeclarationList(declared)
  }

  convert(code: string): Compiled {
    const alone = this.workspace.parse(code)
    const broken = syntaxErrors(alone)
    if (broken.length > 0) return refused(broken, code, this.folder)
    const text = withExports(alone)
    const { checked, changed, errors } = this.check(text)
    if (errors.length > 0) return refused(errors, code, this.folder)
    const output = emit(checked, checked.cell)
    if (output.diagnostics.length > 0) return refused(output.diagnostics, code, this.folder)
    const change = changeOf(checked.cell, output.declarations)
    this.declarations.apply(change)
    return {
      ok: true,
      code: interruptible(wrapped(output.code, hasAwait(alone), localsOf(alone))),
      lines: lineTable(output.code, output.map),
      lastExpression: output.hasLastExpression ? lastExpression : undefined,
      imports: packagesIn(output.code),
      sideOutputs: changed.map((file) => this.side(checked, file)),
      change,
    }
  }

  /** Forgets what the cells have declared and loaded. */
  forget(): void {
    this.declarations = new DeclarationList()
    this.given.clear()
  }

  /** Runs everything that a cell needs once, without declaring anything, so that V8 compiles it. */
  warm(): void {
    const code =
      '{ const warm: number[] = [1]; for (const n of warm) console.log(`${n}`) }\nawait Promise.resolve({ a: 1 })'
    this.convert(code)
  }

  complete(code: string, position: number): Completion {
    return help.complete(this.workspace.check(code, this.declarations.text, true), position)
  }

  inspect(code: string, position: number): Inspection {
    return help.inspect(this.workspace.check(code, this.declarations.text, true), position)
  }

  /** If there are errors it checks again, since a package may have been installed or a file written. */
  private check(text: string): {
    checked: Checked
    changed: TypeScript.SourceFile[]
    errors: TypeScript.Diagnostic[]
  } {
    const found = this.checkOnce(text, true)
    if (found.errors.length === 0) return found
    this.workspace.refresh()
    return this.checkOnce(text, false)
  }

  private checkOnce(text: string, mayExtend: boolean): ReturnType<Converter['check']> {
    const checked = this.workspace.check(text, this.declarations.text, mayExtend)
    const { program, cell } = checked
    const helpers = helpersOf(checked)
    const changed = helpers.filter((file) => this.given.get(file.fileName) !== file)
    const errorsOf = (file: TypeScript.SourceFile): readonly TypeScript.Diagnostic[] => [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file).filter(({ code }) => !isImplicitAny(code)),
    ]
    const own = errorsOf(cell).filter(({ code }) => !allowed.has(code))
    // One helper's types can depend on another's.
    return { checked, changed, errors: [...own, ...(changed.length > 0 ? helpers.flatMap(errorsOf) : [])] }
  }

  private side(checked: Checked, file: TypeScript.SourceFile): SideOutput {
    const { code, map } = emit(checked, file)
    this.given.set(file.fileName, file)
    const data = interruptible(wrapped(code, false, localsOf(file)))
    return { path: file.fileName, data, imports: packagesIn(code), lines: lineTable(code, map) }
  }
}

/** Exports every name that the cell declares, for the next cells. */
function withExports(cell: TypeScript.SourceFile): string {
  const { symbol } = cell as unknown as { symbol?: TypeScript.Symbol }
  const exported = symbol?.exports
  const names = [...localsOf(cell).keys()].filter((name) => !exported?.has(ts.escapeLeadingUnderscores(name)))
  return names.length > 0 ? `${cell.text}\nexport { ${names.join(', ')} };` : cell.text
}

/**
 * The wrapper is on the first line, so that line numbers do not change; that line's columns are shifted by the
 * parameters.
 */
function wrapped(code: string, asynchronous: boolean, names: Map<string, unknown>): string {
  // In a block of its own, a cell may declare `module`.
  const body = parameters.some((name) => names.has(name)) ? `{ ${code}\n}` : `${code}\n`
  return `(${asynchronous ? 'async ' : ''}function(${parameters.join(', ')}) { ${body}})`
}

/** The folder's own files that the cell imports, and those that they import. */
function helpersOf({ program, cell }: Checked): TypeScript.SourceFile[] {
  const found = new Set<TypeScript.SourceFile>([cell])
  const internals = program as unknown as ProgramInternals
  for (const file of found) {
    internals.forEachResolvedModule(({ resolvedModule }) => {
      const helper = resolvedModule && program.getSourceFile(resolvedModule.resolvedFileName)
      if (!helper || helper.isDeclarationFile || ts.isJsonSourceFile(helper)) return
      if (!program.isSourceFileFromExternalLibrary(helper)) found.add(helper)
    }, file)
  }
  found.delete(cell)
  return [...found]
}

function packagesIn(code: string): string[] {
  const names = [...code.matchAll(/\brequire\("([^"]+)"\)/g)].map((match) => match[1]!)
  return [
    ...new Set(names.filter((name) => !/^\.{0,2}\//.test(name) && name !== 'tslab' && !isBuiltin(name))),
  ]
}
