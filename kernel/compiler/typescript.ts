import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as TypeScript from 'typescript'
import { requireCached } from './code-cache'

export const tslabFolder: string = dirname(dirname(require.resolve('tslab/dist/converter.js')))
const tslabRequire = createRequire(join(tslabFolder, 'package.json'))

/** What TypeScript has without declaring it. */
interface Internals {
  bindSourceFile(file: TypeScript.SourceFile, options: TypeScript.CompilerOptions): void
  getTouchingPropertyName(file: TypeScript.SourceFile, position: number): TypeScript.Node
  getQuickInfoAtPosition(
    file: TypeScript.SourceFile,
    checker: TypeScript.TypeChecker,
    cancellation: TypeScript.CancellationToken,
    position: number,
  ): TypeScript.QuickInfo | undefined
  getJSDocCommentRanges(node: TypeScript.Node, text: string): TypeScript.TextRange[] | undefined
  parseIsolatedJSDocComment(
    text: string,
    start: number,
    length: number,
  ): { jsDoc: TypeScript.JSDoc } | undefined
  createModeAwareCache(): { set(name: string, mode: undefined, found: unknown): void }
  isJsonSourceFile(file: TypeScript.SourceFile): boolean
  isIdentifierText(name: string): boolean
  getDefaultTypeRoots(folder: string, host: { directoryExists(path: string): boolean }): string[] | undefined
  Completions: {
    getCompletionsAtPositionForTslab(
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

/**
 * The fork (5.0.4) that tslab brings, not the newest TypeScript: stock tslab checks notebooks with the same one, it is
 * installed already, and it gives completion and inspection of a program without a language service beside it. Its
 * types are near enough to those of the TypeScript this is compiled with.
 */
const loaded = requireCached(tslabRequire.resolve('@tslab/typescript-for-tslab'))
export const ts = loaded.exports as typeof TypeScript & Internals

/** Keeps what V8 has compiled so far for the next kernel's start. */
export const keepCompiled: () => void = loaded.keep

/** `@types`, wherever npm has hoisted them. */
export function typesFolder(): string {
  return dirname(dirname(tslabRequire.resolve('@types/node/package.json')))
}

export const neverCancelled: TypeScript.CancellationToken = {
  isCancellationRequested: () => false,
  throwIfCancellationRequested: () => {},
}
