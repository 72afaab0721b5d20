import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type * as Converter from 'tslab/dist/converter'
import type * as TypeScript from 'typescript'

const tslabFolder = dirname(dirname(require.resolve('tslab/dist/converter.js')))
export const tslabRequire: NodeJS.Require = createRequire(join(tslabFolder, 'package.json'))
const original = tslabRequire('@tslab/typescript-for-tslab') as typeof TypeScript

/** Maps of the last transpiled outputs, by output text: the converter gives text only. */
const maps = new Map<string, string>()
const inlineMap = /\n?\/\/# sourceMappingURL=data:application\/json;base64,([\w+/=]*)\s*$/

type WatchHost = (roots: string[], options: TypeScript.CompilerOptions, ...rest: unknown[]) => unknown

/**
 * The TypeScript that tslab's converter gets: its own fork with two functions wrapped. The converter has no options for
 * source maps or for `@types/node` hoisted away from it.
 */
function patched(): typeof TypeScript {
  const copy: Record<string, unknown> = {}
  for (const key of Object.keys(original)) copy[key] = (original as unknown as Record<string, unknown>)[key]
  const createHost = original.createWatchCompilerHost as unknown as WatchHost
  copy.createWatchCompilerHost = ((roots, options, ...rest) =>
    createHost(
      roots,
      { ...options, inlineSourceMap: true, typeRoots: withNodeTypes(options.typeRoots) },
      ...rest,
    )) satisfies WatchHost
  copy.transpileModule = (code: string, options: TypeScript.TranspileOptions) => {
    const first = inlineMap.exec(code)
    const compilerOptions = { ...options.compilerOptions, sourceMap: true }
    const out = original.transpileModule(code.replace(inlineMap, ''), { ...options, compilerOptions })
    const text = out.outputText.replace(/\n?\/\/# sourceMappingURL=.*\s*$/, '')
    if (first && out.sourceMapText !== undefined) {
      maps.set(text, JSON.stringify([out.sourceMapText, Buffer.from(first[1]!, 'base64').toString()]))
    }
    return { ...out, outputText: text }
  }
  return copy as unknown as typeof TypeScript
}

function withNodeTypes(roots: string[] | undefined): string[] {
  const found = tslabRequire.resolve('@types/node/package.json')
  return [...new Set([...(roots ?? []), dirname(dirname(found))])]
}

/** The fork; its types are near enough to those of the TypeScript this is compiled with. */
export const ts: typeof TypeScript = original

export function loadConverter(): typeof Converter {
  const file = tslabRequire.resolve('@tslab/typescript-for-tslab')
  require.cache[file]!.exports = patched()
  return tslabRequire('./dist/converter.js') as typeof Converter
}

/** The two maps (to ES modules' text, from there to the cell) of an output, once. */
export function takeMaps(output: string): [string, string] | undefined {
  const found = maps.get(output)
  maps.clear()
  return found === undefined ? undefined : (JSON.parse(found) as [string, string])
}
