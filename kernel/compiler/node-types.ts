import { existsSync } from 'node:fs'
import { builtinModules, isBuiltin } from 'node:module'
import { dirname, resolve } from 'node:path'
import type * as TypeScript from 'typescript'
import { ts } from './typescript'

interface File {
  name: string
  /** It only declares modules: needed only if one of them is imported. */
  isModules: boolean
  imports: string[]
}

/**
 * `@types/node`, of which only the files are loaded that its globals need or that something imports. A third of
 * it (`http2`, `inspector`, `test`, `child_process`, ...) is not needed by most notebooks, and would delay
 * their start.
 */
export class NodeTypes {
  private readonly byModule = new Map<string, File[]>()
  private readonly globals: File[] = []
  private readonly loaded = new Set<File>()
  private readonly seen = new WeakSet<TypeScript.SourceFile>()
  readonly libs: string[] = []

  /** @param index - the package's declaration file, which references all others */
  constructor(index: string | undefined) {
    if (index !== undefined) this.read(index, new Set())
    for (const file of this.globals) this.loadFile(file)
  }

  /** The files of the program. */
  get names(): string[] {
    return [...this.loaded].map(({ name }) => name)
  }

  /** Loads the files that a program imports; returns whether one of them is new. */
  addImportsOf(program: TypeScript.Program): boolean {
    const before = this.loaded.size
    for (const file of program.getSourceFiles()) {
      if (this.seen.has(file)) continue
      this.seen.add(file)
      const { imports = [] } = file as unknown as { imports?: readonly TypeScript.StringLiteralLike[] }
      for (const { text } of imports) if (isBuiltin(text)) this.load(text)
    }
    return this.loaded.size > before
  }

  private read(name: string, read: Set<string>): void {
    if (read.has(name)) return
    read.add(name)
    // Examples in comments import modules that the declarations do not.
    const text = (ts.sys.readFile(name) ?? '').replace(/\/\*[^]*?\*\//g, '')
    const references = [...text.matchAll(/^\/\/\/ *<reference path=["'](.+?)["']/gm)].map(
      (match) => match[1]!,
    )
    for (const [, lib] of text.matchAll(/^\/\/\/ *<reference lib=["'](.+?)["']/gm))
      this.libs.push(`lib.${lib}.d.ts`)
    for (const reference of references) this.read(resolve(dirname(name), reference), read)
    // A list of references only; loading it would load all of them.
    const isList = references.length > 0 && !/^[a-z]/m.test(text)
    if (isList || !existsSync(name)) return
    const isModules = !/\bglobal \{/.test(text) && !/^(?!declare module ["'])[a-z]/m.test(text)
    const imports = [...text.matchAll(/(?:\bfrom |\bimport |\bimport\(|\brequire\()["']([^"'\n]+)["']/g)].map(
      (match) => match[1]!,
    )
    const file: File = { name: name.replaceAll('\\', '/'), isModules, imports }
    for (const [, module] of text.matchAll(/^declare module ["'](.+?)["']/gm)) {
      const files = this.byModule.get(bare(module!)) ?? []
      this.byModule.set(bare(module!), [...files, file])
    }
    if (!isModules) this.globals.push(file)
  }

  private load(module: string): void {
    for (const file of this.byModule.get(bare(module)) ?? []) this.loadFile(file)
  }

  private loadFile(file: File): void {
    if (this.loaded.has(file)) return
    this.loaded.add(file)
    for (const module of file.imports) this.load(module)
  }
}

const bare = (module: string): string => module.replace(/^node:/, '')

/** Node's modules that can be imported; the checker knows only the loaded ones. */
export const nodeModules: readonly string[] = builtinModules.filter((name) => !name.startsWith('_'))
