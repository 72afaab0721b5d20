import Module, { createRequire } from 'node:module'
import { dirname, extname, join, resolve } from 'node:path'

interface Internals {
  _compile(code: string, filename: string): void
  paths: string[]
}
const nodeModulePaths = (Module as unknown as { _nodeModulePaths(folder: string): string[] })._nodeModulePaths

/** The cells' `require`: `tslab` is the kernel's own, TypeScript files of the folder come from the converter. */
export class CellModules {
  readonly require: NodeJS.Require
  private readonly outputs = new Map<string, string>()
  private readonly loaded = new Map<string, Module>()

  constructor(
    folder: string,
    private readonly tslab: unknown,
  ) {
    this.require = this.wrap(createRequire(join(folder, 'cell.js')), folder)
  }

  /** New texts of helper files; a file that changed is loaded anew, and so is what imports it. */
  update(outputs: readonly { path: string; data: string }[]): void {
    if (outputs.length > 0) this.loaded.clear()
    for (const { path, data } of outputs) this.outputs.set(resolve(path), data)
  }

  private wrap(require: NodeJS.Require, folder: string): NodeJS.Require {
    return new Proxy(require, {
      apply: (_target, _this, [name]: [string]) => {
        if (name === 'tslab') return this.tslab
        return /^\.{1,2}(\/|$)/.test(name)
          ? (this.helper(resolve(folder, name)) ?? require(name))
          : require(name)
      },
    })
  }

  private helper(path: string): unknown {
    const file = [path, path.replace(/\.ts$/, '.js'), `${path}.js`, join(path, 'index.js')].find(
      (candidate) => extname(candidate) === '.js' && this.outputs.has(candidate),
    )
    if (file === undefined) return undefined
    const known = this.loaded.get(file)
    if (known) return known.exports
    const loaded = new Module(file) as Module & Internals
    loaded.filename = file
    loaded.paths = nodeModulePaths(dirname(file))
    loaded.require = this.wrap(createRequire(file), dirname(file))
    this.loaded.set(file, loaded)
    try {
      loaded._compile(this.outputs.get(file)!, file)
    } catch (error) {
      this.loaded.delete(file)
      throw error
    }
    return loaded.exports
  }
}
