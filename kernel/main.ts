/** The kernel's process: `node --no-force-async-hooks-checks main.js <connection file>`. */
import { runner } from './runner/start'
import { compiler } from './compiler/start'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { userPlace } from './install/spec'
import { watchParent } from './orphan'
import { readConnection } from './protocol/connection'
import { MessageLog } from './protocol/log'
import { Server } from './server'
import { Kernel } from './session/kernel'

async function main(): Promise<void> {
  const file = process.argv[2]
  if (file === undefined) throw new Error('usage: main.js <connection file>')
  const session = randomUUID()
  const end = (code: number): void => {
    void runner
      .close()
      .then(() => server.close())
      .then(() => process.exit(code))
  }
  const server: Server = new Server(readConnection(file), session, (channel, message) =>
    kernel.handle(channel, message),
  )
  const logFile = process.env.QLORA_KERNEL_LOG
  if (logFile) server.log = new MessageLog(logFile)
  const kernel = new Kernel({
    session,
    runner,
    compiler,
    inspector: runner,
    historyFile: join(userPlace().data, 'qlora', 'history.jsonl'),
    send: (channel, message) => server.send(channel, message),
    shutdown: () => end(0),
  })
  runner.onRestart = () => kernel.restarted()
  // Sends the cell's error before the process ends; Jupyter then starts a new kernel.
  runner.onExit = (code) => void setTimeout(100).then(() => end(code))
  process.on('SIGINT', () => kernel.interrupt())
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(0))
  watchParent(() => end(1))
  await server.start()
  kernel.starting()
}

main().catch((error: unknown) => {
  process.stderr.write(`[kernel] ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
