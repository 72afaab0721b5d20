import type * as TypeScript from 'typescript'
import { ts, type ProgramInternals } from './typescript'
import type { Checked } from './workspace'

type Resolved = TypeScript.ResolvedModuleWithFailedLookupLocations
type Resolve = (name: string) => Resolved
type Resolutions = WeakMap<TypeScript.SourceFile, Map<string, Resolved>>

interface Links {
  path: string
  resolvedPath: string
  originalFileName: string
  imports: unknown[]
  moduleAugmentations: unknown[]
  ambientModuleNames: string[]
  parent: TypeScript.Node
}

/** A cell that may add files or change globals needs a program of its own. */
const needsProgram = /\b(?:import|require|from|declare|namespace|module|global)\b|\/\/\/|@jsx/

/**
 * Checks a cell with the checker of an earlier cell's program, which has already processed Node's declarations,
 * nearly all of the work for a small cell. Returns undefined if the cell needs a program of its own; a cell
 * with errors should be checked again in one.
 */
export function extend(
  program: TypeScript.Program,
  cell: TypeScript.SourceFile,
  earlier: TypeScript.SourceFile,
  resolve: Resolve,
): Checked | undefined {
  if (needsProgram.test(cell.text)) return undefined
  const options = program.getCompilerOptions()
  for (const file of [cell, earlier]) {
    if (program.getSourceFile(file.fileName) === file) continue
    const resolved = new Map<string, Resolved>()
    for (const name of modulesOf(file)) {
      const found = resolve(name)
      const target = found.resolvedModule?.resolvedFileName
      if (target !== undefined && !program.getSourceFile(target)) return undefined
      resolved.set(name, found)
    }
    const links: Partial<Links> = {
      path: file.fileName,
      resolvedPath: file.fileName,
      originalFileName: file.fileName,
      imports: [],
      moduleAugmentations: [],
      ambientModuleNames: [],
    }
    Object.assign(file, links)
    resolutionsOf(program).set(file, resolved)
    ts.bindSourceFile(file, options)
  }
  Object.assign(cell, { parent: earlier })
  return { program, checker: program.getTypeChecker(), cell, earlier }
}

const resolutions = new WeakMap<TypeScript.Program, Resolutions>()

/** The imports of files that are added to a program; its checker asks the program for them. */
function resolutionsOf(program: TypeScript.Program): Resolutions {
  const known = resolutions.get(program)
  if (known) return known
  const added: Resolutions = new WeakMap()
  const internals = program as unknown as ProgramInternals
  const own = internals.getResolvedModule
  internals.getResolvedModule = (file, name, mode) => added.get(file)?.get(name) ?? own(file, name, mode)
  resolutions.set(program, added)
  return added
}

function modulesOf(file: TypeScript.SourceFile): string[] {
  if (!/\bimport\b/.test(file.text)) return []
  const { importedFiles } = ts.preProcessFile(file.text, true, false)
  return importedFiles.map(({ fileName }) => fileName)
}
