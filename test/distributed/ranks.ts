import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

const root = resolve(__dirname, '../..')
export const library = join(root, 'dist/index.js')

/** What keeps these tests from running, for their names; empty when nothing does. */
export const missing: string = !existsSync(library)
  ? `: ${library} is missing, run npm run build`
  : spawnSync('mpirun', ['--version']).status !== 0
    ? ': mpirun of Open MPI is missing'
    : ''

export interface Ranks {
  child: ChildProcess
  /** Lines of standard output of all ranks, in any order, and standard error. */
  done: Promise<{
    code: number | null
    signal: string | null
    stdout: string
    stderr: string
    seconds: number
  }>
}

/** mpirun's own switches here: tests run as root too, and more ranks than there are cores. */
export const mpirun = (n: number, ...more: string[]): string[] => [
  ...['--allow-run-as-root', '--oversubscribe', '-n', String(n)],
  ...more,
]

/** Starts `n` ranks of a script's text under mpirun. */
export function startRanks(n: number, script: string, env: Record<string, string> = {}): Ranks {
  const started = performance.now()
  const child = spawn('mpirun', [...mpirun(n), process.execPath, '-e', script], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => (stdout += String(chunk)))
  child.stderr.on('data', (chunk) => (stderr += String(chunk)))
  const done = once(child, 'close').then(([code, signal]) => {
    const seconds = (performance.now() - started) / 1000
    return { code, signal, stdout, stderr, seconds } as never
  })
  return { child, done }
}

/** The JSON lines that ranks printed. */
export function lines<T>(stdout: string): T[] {
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as T)
}
