import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { types } from 'node:util'
import { constants, Script } from 'node:vm'
import type { SideOutput } from '../compiler/messages'
import { ownLibrary } from '../library'

/** The cells' `require`; their `import()` becomes its `import`. */
export type CellRequire = NodeJS.Require & { import(name: string): Promise<unknown> }

type Import = (name: string) => Promise<object>

/** The cells' `require`: `tslab` is the kernel's own, and source files of the folder come from the converter. */
export class CellModules {
  readonly require: CellRequire
  private readonly outputs = new Map<string, SideOutput>()
  private readonly loaded = new Map<string, { exports: unknown }>()
  /** Packages that `require` cannot load, by folder and name. */
  private readonly imported = new Map<string, object>()
  private readonly imports = new Map<string, Import>()

  constructor(
    private readonly folder: string,
    private readonly tslab: unknown,
    private readonly interrupts: unknown,
  ) {
    this.require = this.requireOf(folder)
  }

  isHelper(file: string): boolean {
    return this.outputs.has(file)
  }

  /**
   * Called before a cell runs: new texts of helper files (a changed one is loaded again, together with those
   * that import it), and the packages that only `import` can load. Returns a promise if there are any.
   */
  prepare(imports: readonly string[], outputs: readonly SideOutput[]): Promise<unknown> | undefined {
    // A compiler that was restarted sends all of them again.
    const changed = outputs.filter(({ path, data }) => this.outputs.get(resolve(path))?.data !== data)
    if (changed.length > 0) this.loaded.clear()
    for (const output of changed) this.outputs.set(resolve(output.path), output)
    const wanted = [
      ...imports.map((name) => [this.folder, name] as const),
      ...outputs.flatMap(({ path, imports = [] }) =>
        imports.map((name) => [dirname(resolve(path)), name] as const),
      ),
    ]
    const missing = wanted.filter(([folder, name]) => !this.isRequired(folder, name))
    if (missing.length === 0) return undefined
    return Promise.all(missing.map(([folder, name]) => this.import(folder, name)))
  }

  /** False if only `import` works; other errors appear when the cell requires the package. */
  private isRequired(folder: string, name: string): boolean {
    if (this.imported.has(key(folder, name))) return true
    try {
      requireOrOwn(createRequire(join(folder, 'cell.js')), name)
      return true
    } catch (error) {
      return !isForImport(error)
    }
  }

  private async import(folder: string, name: string): Promise<object> {
    let load = this.imports.get(folder)
    if (!load) {
      const script = new Script('(name) => import(name)', {
        filename: join(folder, 'cell.js'),
        importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
      })
      this.imports.set(folder, (load = script.runInThisContext() as Import))
    }
    const namespace = await load(name)
    // Like Node's `require` of an ES module, distinguishes its default export from the module itself.
    const get = (target: object, property: string | symbol): unknown =>
      property === '__esModule' ? true : Reflect.get(target, property)
    this.imported.set(key(folder, name), new Proxy(namespace, { get }))
    return namespace
  }

  private requireOf(folder: string): CellRequire {
    const require = createRequire(join(folder, 'cell.js'))
    const load = (name: string): unknown => {
      if (name === 'tslab') return this.tslab
      const imported = this.imported.get(key(folder, name))
      if (imported || !/^(\.{0,2}\/|\.{1,2}$)/.test(name)) return imported ?? requireOrOwn(require, name)
      const path = resolve(folder, name)
      if (name.endsWith('.json')) delete require.cache[path]
      return this.helper(path) ?? require(name)
    }
    const loadAny = async (name: string): Promise<unknown> => {
      try {
        return asNamespace(load(name))
      } catch (error) {
        if (!isForImport(error)) throw error
        return this.import(folder, name)
      }
    }
    return new Proxy(require as CellRequire, {
      apply: (_target, _this, [name]: [string]) => load(name),
      get: (target, property, receiver) =>
        property === 'import' ? loadAny : (Reflect.get(target, property, receiver) as unknown),
    })
  }

  private helper(path: string): unknown {
    const output = candidates(path)
      .map((candidate) => this.outputs.get(candidate))
      .find((found) => found !== undefined)
    if (!output) return undefined
    const file = resolve(output.path)
    const known = this.loaded.get(file)
    if (known) return known.exports
    const folder = dirname(file)
    const module = { id: file, filename: file, exports: {} as unknown }
    this.loaded.set(file, module)
    try {
      const run = new Script(output.data, { filename: file }).runInThisContext() as (
        ...given: unknown[]
      ) => void
      run.call(module.exports, module.exports, this.requireOf(folder), module, file, folder, this.interrupts)
    } catch (error) {
      this.loaded.delete(file)
      throw error
    }
    return module.exports
  }
}

/** The kernel's own library, if the notebook has no package of that name. */
function requireOrOwn(require: NodeJS.Require, name: string): unknown {
  try {
    return require(name)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const isMissing = code === 'MODULE_NOT_FOUND' && message.startsWith(`Cannot find module '${name}'`)
    const library = isMissing ? ownLibrary() : undefined
    if (name !== library?.name) throw error
    return require(library.main)
  }
}

const key = (folder: string, name: string): string => `${folder}\n${name}`

const suffixes = ['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs']

/**
 * The source files that a path can mean, as TypeScript resolves it: `./a`, `./a.ts`, `./a.js` for `a.ts`, a
 * folder.
 */
function candidates(path: string): string[] {
  const instead = path.replace(/\.([cm]?)js(x?)$/, '.$1ts$2')
  const endings = [...suffixes, ...suffixes.map((suffix) => `/index${suffix}`)]
  return [path, instead, ...endings.map((ending) => resolve(path + ending))]
}

const importOnly = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE', 'ERR_PACKAGE_PATH_NOT_EXPORTED'])
const isForImport = (error: unknown): boolean =>
  importOnly.has(String((error as { code?: unknown } | undefined)?.code))

/** The result of `import()` for a module that was loaded with require. */
function asNamespace(module: unknown): unknown {
  if (types.isModuleNamespaceObject(module)) return module
  if ((module as { __esModule?: unknown } | undefined)?.__esModule) return module
  return { ...(module as object), default: module }
}
