import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { KeyboardInterrupt, type Interrupts } from './interrupt'

/** `await npm.install('name', ...)` in a cell: npm's output is the cell's output. */
export interface Npm {
  /** @throws when npm fails; its message is in the output. */
  install(...names: string[]): Promise<void>
}

export function createNpm(folder: string, interrupts: Interrupts): Npm {
  return {
    install: async (...names) => {
      if (names.length === 0) throw new Error('npm.install: names of packages are missing')
      await npm(['install', '--no-fund', '--no-audit', '--no-update-notifier', ...names], folder, interrupts)
    },
  }
}

function npm(given: string[], cwd: string, interrupts: Interrupts): Promise<void> {
  const [command, ...first] = npmCommand()
  const path = [dirname(process.execPath), process.env.PATH].filter(Boolean).join(delimiter)
  const child = spawn(command!, [...first, ...given], {
    cwd,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: command === 'npm' && process.platform === 'win32',
  })
  const { current: run, signal } = interrupts
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      if (run) interrupts.as(run, () => process[name].write(text))
      else process[name].write(text)
    })
  }
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      child.kill()
      reject(new KeyboardInterrupt())
    }
    signal.addEventListener('abort', stop, { once: true })
    child.on('error', reject)
    child.on('close', (code) => {
      signal.removeEventListener('abort', stop)
      if (code === 0) resolve()
      else reject(new Error(`npm ${given[0]}: it ended with ${code}`))
    })
  })
}

/** This Node's npm; the first on PATH if it has none of its own. */
function npmCommand(): string[] {
  const home = dirname(process.execPath)
  const scripts = [join(home, 'node_modules'), join(home, '../lib/node_modules')].map((packages) =>
    join(packages, 'npm/bin/npm-cli.js'),
  )
  const found = scripts.find((script) => existsSync(script))
  return found === undefined ? ['npm'] : [process.execPath, found]
}
