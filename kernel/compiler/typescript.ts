import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as TypeScript from 'typescript'
import { requireCached } from './code-cache'

export const tslabFolder: string = dirname(dirname(require.resolve('tslab/dist/converter.js')))

/** Parts of TypeScript's API that are not declared. */
interface Internals {
  bindSourceFile(file: TypeScript.SourceFile, options: TypeScript.CompilerOptions): void
  getTouchingPropertyName(file: TypeScript.SourceFile, position: number): TypeScript.Node
  getContainerNode(node: TypeScript.Node): TypeScript.Node | undefined
  getContainingObjectLiteralElement(node: TypeScript.Node): TypeScript.ObjectLiteralElement | undefined
  getPropertySymbolsFromContextualType(
    element: TypeScript.ObjectLiteralElement,
    checker: TypeScript.TypeChecker,
    type: TypeScript.Type,
    unionSymbolOk: boolean,
  ): readonly TypeScript.Symbol[]
  getJSDocCommentRanges(node: TypeScript.Node, text: string): TypeScript.TextRange[] | undefined
  parseIsolatedJSDocComment(
    text: string,
    start: number,
    length: number,
  ): { jsDoc: TypeScript.JSDoc } | undefined
  isJsonSourceFile(file: TypeScript.SourceFile): boolean
  isIdentifierText(name: string): boolean
  SymbolDisplay: {
    getSymbolDisplayPartsDocumentationAndSymbolKind(
      checker: TypeScript.TypeChecker,
      symbol: TypeScript.Symbol,
      file: TypeScript.SourceFile,
      container: TypeScript.Node | undefined,
      node: TypeScript.Node,
    ): {
      displayParts: TypeScript.SymbolDisplayPart[]
      documentation: TypeScript.SymbolDisplayPart[]
      tags: TypeScript.JSDocTagInfo[] | undefined
    }
  }
  Completions: {
    getCompletionsAtPosition(
      host: object,
      program: TypeScript.Program,
      log: () => void,
      file: TypeScript.SourceFile,
      position: number,
      preferences: TypeScript.UserPreferences,
      trigger: undefined,
      kind: TypeScript.CompletionTriggerKind,
      cancellation: TypeScript.CancellationToken,
    ): TypeScript.CompletionInfo | undefined
  }
}

/** Parts of a program's API that are not declared. */
export interface ProgramInternals {
  getResolvedModule(
    file: TypeScript.SourceFile,
    name: string,
    mode: TypeScript.ResolutionMode,
  ): TypeScript.ResolvedModuleWithFailedLookupLocations | undefined
  forEachResolvedModule(
    visit: (found: { resolvedModule?: TypeScript.ResolvedModuleFull }) => void,
    file: TypeScript.SourceFile,
  ): void
}

/**
 * The TypeScript that builds this package, never the notebook's own: some of the functions used here are not
 * declared, so another version may not have them. (Stock tslab has its own fork, 5.0.4.)
 */
const loaded = requireCached(require.resolve('typescript'))
export const ts = loaded.exports as typeof TypeScript & Internals

/** Stores what V8 has compiled so far, for the next kernel's start. */
export const keepCompiled: () => void = loaded.keep

/** The `@types` folder, wherever npm has put it. */
export function typesFolder(): string {
  const tslab = createRequire(join(tslabFolder, 'package.json'))
  return dirname(dirname(tslab.resolve('@types/node/package.json')))
}

export const neverCancelled: TypeScript.CancellationToken = {
  isCancellationRequested: () => false,
  throwIfCancellationRequested: () => {},
}
