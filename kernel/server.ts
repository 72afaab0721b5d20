import { Reply, Router, XPublisher } from 'zeromq'
import { address, type Connection } from './protocol/connection'
import type { MessageLog } from './protocol/log'
import { createMessage, type Channel, type Message } from './protocol/message'
import { Wire } from './protocol/wire'

type Sending = Router | XPublisher
type Handler = (channel: 'shell' | 'control' | 'stdin', message: Message) => void

/** Maximum frame size in bytes; ZeroMQ drops a peer that exceeds it. */
const maxMessageSize = 512 * 1024 * 1024

/**
 * The five sockets. The sends of each are sequential, since ZeroMQ refuses a `send` while another one is
 * pending.
 */
export class Server {
  log: MessageLog | undefined
  private readonly sockets = {
    shell: new Router({ maxMessageSize }),
    control: new Router({ maxMessageSize }),
    stdin: new Router({ maxMessageSize }),
    iopub: new XPublisher({ sendHighWaterMark: 0, maxMessageSize, verbosity: 'allSubs' }),
  }
  private readonly heartbeat = new Reply({ maxMessageSize })
  private readonly tails = new Map<Sending, Promise<void>>()
  private readonly wire: Wire

  constructor(
    private readonly connection: Connection,
    private readonly session: string,
    private readonly handle: Handler,
  ) {
    this.wire = new Wire(connection.key)
  }

  async start(): Promise<void> {
    const { connection, sockets } = this
    await Promise.all([
      this.heartbeat.bind(address(connection, connection.hb_port)),
      sockets.shell.bind(address(connection, connection.shell_port)),
      sockets.control.bind(address(connection, connection.control_port)),
      sockets.stdin.bind(address(connection, connection.stdin_port)),
      sockets.iopub.bind(address(connection, connection.iopub_port)),
    ])
    void this.answerHeartbeat()
    void this.welcomeSubscribers()
    for (const channel of ['shell', 'control', 'stdin'] as const) void this.receive(channel)
  }

  send(channel: Channel, message: Message): void {
    this.log?.add('out', channel, message)
    const socket: Sending = this.sockets[channel]
    const frames = this.wire.encode(message)
    const tail = (this.tails.get(socket) ?? Promise.resolve())
      .then(() => socket.send(frames))
      .catch((error: unknown) => complain(`${channel}: ${String(error)}`))
    this.tails.set(socket, tail)
  }

  /** Closes the sockets once everything passed to `send` is queued. */
  async close(): Promise<void> {
    await Promise.all(this.tails.values())
    for (const socket of [...Object.values(this.sockets), this.heartbeat]) {
      socket.linger = 500
      socket.close()
    }
  }

  private async receive(channel: 'shell' | 'control' | 'stdin'): Promise<void> {
    for await (const frames of this.sockets[channel]) {
      try {
        const message = this.wire.decode(frames)
        this.log?.add('in', channel, message)
        this.handle(channel, message)
      } catch (error) {
        complain(`${channel}: dropped: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }

  private async answerHeartbeat(): Promise<void> {
    for await (const frames of this.heartbeat) await this.heartbeat.send(frames)
  }

  /** Protocol 5.4: a subscriber is told that its subscription has arrived. */
  private async welcomeSubscribers(): Promise<void> {
    for await (const [frame] of this.sockets.iopub) {
      if (frame?.[0] !== 1) continue
      const topic = frame.subarray(1)
      const content = { subscription: topic.toString() }
      this.send('iopub', createMessage(this.session, 'iopub_welcome', content, undefined, [topic]))
    }
  }
}

function complain(text: string): void {
  process.stderr.write(`[kernel] ${text}\n`)
}
