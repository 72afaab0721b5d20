import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { cachedDataVersionTag } from 'node:v8'
import { Script } from 'node:vm'

/**
 * `require` of one large file, with V8's compiled code stored for the next process. Node 22 has this built in
 * (`module.enableCompileCache`), Node 20 does not. The cache is in the user's own folder, since code is
 * executed from it.
 */
export function requireCached(file: string): { exports: unknown; keep: () => void } {
  const source = readFileSync(file, 'utf8')
  const cache = cacheFile(file)
  const cachedData = existsSync(cache) ? readFileSync(cache) : undefined
  const script = new Script(Module.wrap(source), { filename: file, ...(cachedData && { cachedData }) })
  const module = new Module(file)
  module.filename = file
  // The next `require` of the file finds this module.
  createRequire(file).cache[file] = module
  const run = script.runInThisContext() as (...given: unknown[]) => void
  run.call(module.exports, module.exports, createRequire(file), module, file, dirname(file))
  module.loaded = true
  const known = cachedData !== undefined && script.cachedDataRejected !== true
  return { exports: module.exports, keep: () => (known ? undefined : write(cache, script)) }
}

function cacheFile(file: string): string {
  const folder = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  const { size, mtimeMs } = statSync(file)
  const key = [basename(file, '.js'), size, Math.round(mtimeMs), process.version, process.arch]
  return join(folder, 'qlora', 'kernel', `${key.join('-')}-${cachedDataVersionTag()}.bin`)
}

/** If this fails, only the next start is slower. */
function write(cache: string, script: Script): void {
  try {
    mkdirSync(dirname(cache), { recursive: true })
    const temporary = `${cache}.${process.pid}`
    writeFileSync(temporary, script.createCachedData())
    renameSync(temporary, cache)
  } catch (error) {
    process.stderr.write(`[kernel] ${cache}: not written: ${String(error)}\n`)
  }
}
