import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { createServer, type AddressInfo } from 'node:net'
import { constants } from 'node:os'

const GRACE_MS = 5000
const ending = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs a program to its end, passing on what asks this process to end. Resolves with its exit code, of a signal 128 + its number. */
export function waitFor(program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return together([started(program, args, { env, stdio: 'inherit' })])
}

/**
 * Starts the ranks of a command on this machine, with torchrun's variables. The first rank's output is shown, of the others what they
 * write to standard error. When one fails, the others are ended.
 */
export async function startLocalRanks(
  [program, ...args]: readonly string[],
  n: number,
  env: NodeJS.ProcessEnv,
): Promise<number> {
  const port = await freePort()
  const ranks = Array.from({ length: n }, (_, rank) =>
    started(program!, args, {
      env: {
        ...env,
        ...{
          RANK: String(rank),
          LOCAL_RANK: String(rank),
          WORLD_SIZE: String(n),
          LOCAL_WORLD_SIZE: String(n),
        },
        ...{ MASTER_ADDR: '127.0.0.1', MASTER_PORT: String(port) },
      },
      stdio: rank === 0 ? 'inherit' : ['ignore', 'ignore', 'inherit'],
    }),
  )
  return together(ranks)
}

interface Started {
  child: ChildProcess
  /** The exit code. */
  ended: Promise<number>
}

function started(program: string, args: readonly string[], options: SpawnOptions): Started {
  const child = spawn(program, args, options)
  const ended = new Promise<number>((resolve, reject) => {
    child.once('error', (error) => reject(new Error(`[qlora launch] ${program}: ${error.message}`)))
    child.once('exit', (code, signal) => resolve(code ?? 128 + constants.signals[signal!]))
  })
  return { child, ended }
}

/** Waits for all; the first failure, and every signal to this process, ends the others. */
async function together(processes: readonly Started[]): Promise<number> {
  const isAlive = ({ child }: Started): boolean => child.exitCode === null && child.signalCode === null
  const send = (signal: NodeJS.Signals): void => {
    for (const each of processes) if (isAlive(each)) each.child.kill(signal)
  }
  let patience: NodeJS.Timeout | undefined
  const stop = (): void => {
    send('SIGTERM')
    patience ??= setTimeout(() => send('SIGKILL'), GRACE_MS)
  }
  for (const signal of ending) process.on(signal, send)
  try {
    let first = 0
    const all = processes.map(async ({ ended }) => {
      const code = await ended.catch((error: unknown) => {
        stop()
        throw error
      })
      if (code !== 0 && first === 0) {
        first = code
        stop()
      }
    })
    const failed = (await Promise.allSettled(all)).find((one) => one.status === 'rejected')
    if (failed) throw failed.reason
    return first
  } finally {
    clearTimeout(patience)
    for (const signal of ending) process.off(signal, send)
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
