/** The kernel's process: `node --no-force-async-hooks-checks main.js <connection file>`. */
import { randomUUID } from 'node:crypto'
import { CompilerThread } from './compiler/client'
import { readConnection } from './protocol/connection'
import { RunnerThread } from './runner/client'
import { Server } from './server'
import { Kernel } from './session/kernel'

async function main(): Promise<void> {
  const file = process.argv[2]
  if (file === undefined) throw new Error('usage: main.js <connection file>')
  const session = randomUUID()
  const end = (code: number): void => {
    void server.close().then(() => process.exit(code))
  }
  const server: Server = new Server(readConnection(file), session, (channel, message) =>
    kernel.handle(channel, message),
  )
  const runner = new RunnerThread()
  const kernel = new Kernel({
    session,
    runner,
    compiler: new CompilerThread(),
    send: (channel, message) => server.send(channel, message),
    shutdown: () => end(0),
  })
  // The cell's error goes out before the process ends; Jupyter then starts a new kernel.
  runner.onExit = (code) => setTimeout(() => end(code), 100)
  process.on('SIGINT', () => kernel.interrupt())
  process.on('SIGTERM', () => end(0))
  await server.start()
  kernel.starting()
}

main().catch((error: unknown) => {
  process.stderr.write(`[kernel] ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
