import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { execFileSync } from 'node:child_process'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export const kernelName = 'qlora'

export interface Place {
  /** The folder that contains `kernels/`. */
  data: string
  description: string
}

/**
 * Without this flag, on Node 22, ending a cell that uses an AsyncLocalStorage can abort the process; on Node 24
 * it is the default.
 */
const contextFrames = ['--experimental-async-context-frame'].filter((flag) =>
  process.allowedNodeEnvironmentFlags.has(flag),
)

/** Absolute paths: Jupyter may start the kernel from anywhere, with any PATH. */
export function kernelSpec(): object {
  return {
    argv: [
      process.execPath,
      // Lets an interrupt end JavaScript anywhere, even inside Node's own callbacks.
      '--no-force-async-hooks-checks',
      '--disable-warning=ExperimentalWarning',
      ...contextFrames,
      resolve(__dirname, '../main.js'),
      '{connection_file}',
    ],
    display_name: 'TypeScript (qlora)',
    language: 'typescript',
    interrupt_mode: 'message',
    // Keeps escape codes out of saved outputs, wherever the notebook ran.
    env: { FORCE_COLOR: '0' },
    metadata: { debugger: true },
  }
}

export function userPlace(): Place {
  const given = process.env.JUPYTER_DATA_DIR
  if (given) return { data: given, description: 'JUPYTER_DATA_DIR' }
  if (process.platform === 'darwin')
    return { data: join(homedir(), 'Library/Jupyter'), description: 'the user' }
  if (process.platform === 'win32') {
    return { data: join(process.env.APPDATA ?? homedir(), 'jupyter'), description: 'the user' }
  }
  const share = process.env.XDG_DATA_HOME ?? join(homedir(), '.local/share')
  return { data: join(share, 'jupyter'), description: 'the user' }
}

export function prefixPlace(prefix: string): Place {
  return { data: join(resolve(prefix), 'share/jupyter'), description: resolve(prefix) }
}

/** The environment of a Python interpreter, by default the first on PATH. */
export function sysPrefixPlace(python = process.platform === 'win32' ? 'python' : 'python3'): Place {
  const prefix = execFileSync(python, ['-c', 'import sys; print(sys.prefix)'], { encoding: 'utf8' }).trim()
  return prefixPlace(prefix)
}

const folder = (place: Place): string => join(place.data, 'kernels', kernelName)

/** Writes the kernelspec; returns its file. */
export function install(place: Place): string {
  mkdirSync(folder(place), { recursive: true })
  const file = join(folder(place), 'kernel.json')
  writeFileSync(file, JSON.stringify(kernelSpec(), null, 2) + '\n')
  return file
}

/** Returns false if there was none. */
export function uninstall(place: Place): boolean {
  if (!existsSync(folder(place))) return false
  rmSync(folder(place), { recursive: true })
  return true
}

/** Faults of the kernelspec of a place; none if it is as `install` writes it. */
export function faults(place: Place): string[] {
  const file = join(folder(place), 'kernel.json')
  if (!existsSync(file)) return [`${file}: not there; run \`qlora kernel install\``]
  const { argv = [] } = JSON.parse(readFileSync(file, 'utf8')) as { argv?: string[] }
  const missing = argv.filter((part) => /^(\/|[A-Za-z]:\\)/.test(part) && !existsSync(part))
  if (missing.length > 0)
    return missing.map((part) => `${file}: ${part} does not exist; run \`qlora kernel install\` again`)
  const same = readFileSync(file, 'utf8') === JSON.stringify(kernelSpec(), null, 2) + '\n'
  return same ? [] : [`${file}: of another version or place; run \`qlora kernel install\` again`]
}
