import { isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import type * as TypeScript from 'typescript'
import { Documents } from './documents'
import { extend } from './extension'
import { globals } from './globals'
import { NodeTypes } from './node-types'
import { ownLibrary } from '../library'
import { ts, tslabFolder, typesFolder } from './typescript'

/** A program with one cell in it. */
export interface Checked {
  program: TypeScript.Program
  checker: TypeScript.TypeChecker
  cell: TypeScript.SourceFile
  /** The declarations of earlier cells. */
  earlier: TypeScript.SourceFile
}

type Resolution = TypeScript.ResolvedModuleWithFailedLookupLocations

/**
 * The notebook's folder as TypeScript sees it: a new program for each cell, which reuses all files of the
 * previous one. The cell is a module whose parent is the file of earlier declarations, so names are looked up
 * there next; a cell can therefore declare any name again.
 */
export class Workspace {
  private readonly cellName: string
  /** Number of cells that share the newest program's checker. */
  private extensions = 0
  private readonly earlierName: string
  private readonly globals: TypeScript.SourceFile
  private readonly options: TypeScript.CompilerOptions
  private readonly host: TypeScript.CompilerHost
  private readonly documents = new Documents()
  private readonly node: NodeTypes
  private resolutions: TypeScript.ModuleResolutionCache
  private resolveAnew = false
  private cell: TypeScript.SourceFile
  private earlier: TypeScript.SourceFile
  private earlierText = ''
  private program: TypeScript.Program | undefined

  constructor(folder: string) {
    const at = slashes(folder)
    this.cellName = `${at}/__cell__.ts`
    this.earlierName = `${at}/__earlier__.d.ts`
    this.globals = ts.createSourceFile(`${at}/__globals__.d.ts`, globals, ts.ScriptTarget.ES2022)
    this.options = compilerOptions(folder)
    this.node = new NodeTypes(this.nodeIndex())
    this.options.lib = [...new Set([...(this.options.lib ?? []), ...this.node.libs])]
    this.host = this.createHost(at)
    this.resolutions = this.createResolutions()
    this.cell = this.parse('')
    this.earlier = this.parseEarlier('', this.earlierName)
  }

  /** Parses a cell alone; its names are bound, but nothing is checked. */
  parse(text: string): TypeScript.SourceFile {
    const file = ts.createSourceFile(this.cellName, text, asModule)
    ts.bindSourceFile(file, this.options)
    return file
  }

  check(cell: string, earlier: string, mayExtend = false): Checked {
    const changed = this.documents.refresh('helpers')
    const extended = mayExtend && !changed ? this.extend(cell, earlier) : undefined
    if (extended) return extended
    // Never the same object twice: a checked file stores results of its program.
    this.cell = ts.createSourceFile(this.cellName, cell, asModule)
    this.setEarlier(earlier, this.earlierName)
    let program = this.createProgram()
    while (this.node.addImportsOf(program)) program = this.createProgram()
    this.resolveAnew = false
    this.extensions = 0
    const checker = program.getTypeChecker()
    const bound = this.cell as { parent: TypeScript.Node }
    bound.parent = this.earlier
    return { program, checker, cell: this.cell, earlier: this.earlier }
  }

  private extend(cell: string, earlier: string): Checked | undefined {
    if (!this.program || this.resolveAnew || this.extensions >= maxExtensions) return undefined
    this.extensions++
    // A checker caches results by file name.
    const name = this.cellName.replace(/\.ts$/, `${this.extensions}.ts`)
    this.setEarlier(earlier, this.earlierName.replace(/\.d\.ts$/, `${this.extensions}.d.ts`))
    const file = ts.createSourceFile(name, cell, asModule)
    return extend(this.program, file, this.earlier, (module) =>
      orOwn(module, ts.resolveModuleName(module, name, this.options, this.host, this.resolutions)),
    )
  }

  private setEarlier(text: string, name: string): void {
    if (this.earlierText === text && (this.earlier.fileName === name || name !== this.earlierName)) return
    this.earlierText = text
    this.earlier = this.parseEarlier(text, name)
  }

  /** The next program reads the disk again, since packages may have been installed. */
  refresh(): void {
    this.documents.refresh('all')
    this.resolutions = this.createResolutions()
    this.resolveAnew = true
  }

  private own(name: string): TypeScript.SourceFile | undefined {
    return [this.cell, this.earlier, this.globals].find(({ fileName }) => fileName === name)
  }

  private createProgram(): TypeScript.Program {
    this.program = ts.createProgram({
      rootNames: [...this.node.names, this.globals.fileName, this.earlierName, this.cellName],
      options: this.options,
      host: this.host,
      ...(this.program && { oldProgram: this.program }),
    })
    return this.program
  }

  private nodeIndex(): string | undefined {
    const from = `${dirname(this.cellName)}/__types__.ts`
    const found = ts.resolveTypeReferenceDirective('node', from, this.options, ts.sys)
    return found.resolvedTypeReferenceDirective?.resolvedFileName
  }

  private parseEarlier(text: string, name: string): TypeScript.SourceFile {
    // Without an export, a declaration file exports everything that it declares.
    return ts.createSourceFile(name, `export {};\n${text}`, asModule)
  }

  private createHost(folder: string): TypeScript.CompilerHost {
    const base = ts.createCompilerHost(this.options)
    const own = (name: string): boolean => this.own(name) !== undefined
    return Object.assign(base, {
      getSourceFile: (name: string, options: TypeScript.CreateSourceFileOptions) => {
        return this.own(name) ?? this.documents.get(name, options)
      },
      fileExists: (name: string) => own(name) || ts.sys.fileExists(name),
      getCurrentDirectory: () => folder,
      resolveModuleNameLiterals: (
        literals: readonly TypeScript.StringLiteralLike[],
        from: string,
        redirected: TypeScript.ResolvedProjectReference | undefined,
        options: TypeScript.CompilerOptions,
      ): Resolution[] =>
        literals.map(({ text }) =>
          // Declared, not a file, and a name that Node's `require` knows.
          isBuiltin(text)
            ? { resolvedModule: undefined }
            : orOwn(text, ts.resolveModuleName(text, from, options, base, this.resolutions, redirected)),
        ),
      resolveTypeReferenceDirectiveReferences: (
        references: readonly (TypeScript.FileReference | string)[],
        from: string,
        redirected: TypeScript.ResolvedProjectReference | undefined,
        options: TypeScript.CompilerOptions,
      ): TypeScript.ResolvedTypeReferenceDirectiveWithFailedLookupLocations[] =>
        references.map((reference) => {
          const name = typeof reference === 'string' ? reference : reference.fileName
          const [node] = this.node.names
          if (name !== 'node' || node === undefined) {
            return ts.resolveTypeReferenceDirective(name, from, options, base, redirected)
          }
          // `NodeTypes` exists to avoid loading all of it.
          return {
            resolvedTypeReferenceDirective: { primary: true, resolvedFileName: node },
            failedLookupLocations: [],
          } as never
        }),
      hasInvalidatedResolutions: () => this.resolveAnew,
    })
  }

  private createResolutions(): TypeScript.ModuleResolutionCache {
    return ts.createModuleResolutionCache(dirname(this.cellName), (name) => name, this.options)
  }
}

const library = ownLibrary()

/** The kernel's own library, if the notebook has no package of that name. */
function orOwn(name: string, found: Resolution): Resolution {
  if (found.resolvedModule || name !== library?.name) return found
  const resolvedFileName = slashes(library.types)
  return {
    resolvedModule: { resolvedFileName, extension: ts.Extension.Dts, isExternalLibraryImport: true },
  } as Resolution
}

/** A checker grows with each cell that it checks. */
const maxExtensions = 50

/** A module even without imports and exports, so that top-level `await` parses. */
const asModule: TypeScript.CreateSourceFileOptions = {
  languageVersion: ts.ScriptTarget.ES2022,
  setExternalModuleIndicator: (file) => {
    const module = file as unknown as { externalModuleIndicator: unknown }
    module.externalModuleIndicator = true
  },
}

const slashes = (path: string): string => path.replaceAll('\\', '/').replace(/\/$/, '')

function compilerOptions(folder: string): TypeScript.CompilerOptions {
  const roots = ts.getEffectiveTypeRoots({}, { getCurrentDirectory: () => folder }) ?? []
  return {
    // Not `ESNext`: the checked module is also the one that runs, in one pass.
    module: ts.ModuleKind.CommonJS,
    // `exports` of packages are used, and `./helper` needs no suffix.
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    customConditions: ['node', 'require'],
    allowImportingTsExtensions: true,
    esModuleInterop: true,
    resolveJsonModule: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts'],
    // Node's are loaded one by one (`node-types.ts`), other packages' globals with their imports.
    types: [],
    typeRoots: [...new Set([...roots, typesFolder()])],
    // tslab's own declarations, even if the notebook's folder has no packages.
    paths: { tslab: [slashes(join(tslabFolder, 'dist/public.d.ts'))] },
    // A JavaScript helper provides types; code that runs under Node must not be an error.
    allowJs: true,
    checkJs: false,
    declaration: true,
    sourceMap: true,
    newLine: ts.NewLineKind.LineFeed,
    // Null checks are on. noImplicitAny gives `[]` the type of what is pushed; converter.ts ignores its errors.
    strict: false,
    strictNullChecks: true,
    noImplicitAny: true,
    noUncheckedSideEffectImports: false,
    jsx: ts.JsxEmit.React,
    skipLibCheck: true,
    // Nothing is written, but output names must differ from input names.
    rootDir: slashes(folder).replace(/\/.*$/, '/'),
    outDir: slashes(join(folder, '__out__')),
  }
}
