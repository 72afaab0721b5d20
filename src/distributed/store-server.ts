import { randomBytes } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import { codeOf } from '../files/atomic'
import type { RankPlace } from './environment'
import { onFrames, sendFrame } from './frames'
import { isProof, proof } from './proof'
import { lateCollective, lateGather, namesOf, type Member, type OpenGather } from './watch'

const WATCH_MS = 500
/** Connections that have not proved who they are. */
const MAX_STRANGERS = 64

/**
 * Rank 0's side of the meeting: collects what every rank says, gives all of it to all, and tells all ranks when one of them has failed,
 * ended, or does not come. It carries words, not tensors.
 */
export class StoreServer {
  private readonly members: Map<number, Member> = new Map()
  private readonly sockets: Map<number, Socket> = new Map()
  private readonly gathers: Map<number, OpenGather> = new Map()
  private readonly opened = performance.now()
  private strangers = 0
  private fault: string | undefined
  private readonly watch: NodeJS.Timeout

  private constructor(
    private readonly server: Server,
    private readonly place: RankPlace,
    /** How long a rank may keep the others waiting, ms. */
    private readonly timeout: number,
  ) {
    server.on('connection', (socket) => this.greet(socket))
    server.unref()
    this.watch = setInterval(() => this.look(), WATCH_MS)
    this.watch.unref()
  }

  /** Listens at the address of the place, and there only. @throws Error when it cannot. */
  static async open(place: RankPlace, timeout: number): Promise<StoreServer> {
    const { address, port } = place
    const server = createServer({ noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        const why =
          codeOf(error) === 'EADDRINUSE'
            ? 'another process listens there; give this run another MASTER_PORT'
            : `${error.message}; MASTER_ADDR has to be an address of the machine of rank 0`
        reject(new Error(`[distributed] rank 0 cannot listen at ${address}:${port}: ${why}`))
      })
      server.listen({ host: address, port, exclusive: true }, resolve)
    })
    return new StoreServer(server, place, timeout)
  }

  close(): void {
    clearInterval(this.watch)
    this.server.close()
    for (const socket of this.sockets.values()) socket.unref()
  }

  private greet(socket: Socket): void {
    if (this.strangers >= MAX_STRANGERS) return void socket.destroy()
    this.strangers += 1
    const nonce = randomBytes(16).toString('hex')
    let rank: number | undefined
    const knownBy = setTimeout(() => rank ?? socket.destroy(), 10_000)
    knownBy.unref()
    socket.unref()
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      clearTimeout(knownBy)
      if (rank === undefined) this.strangers -= 1
      else this.ended(rank)
    })
    onFrames(socket, (frame) => {
      if (rank !== undefined) return this.hear(rank, frame)
      rank = this.enter(socket, nonce, frame)
      if (rank === undefined) return void socket.end()
      this.strangers -= 1
      sendFrame(socket, { kind: 'gathered', id: -1, values: [] })
    })
    sendFrame(socket, { nonce })
  }

  /** The rank of a first frame; undefined when it is not one of ours. */
  private enter(socket: Socket, nonce: string, frame: Record<string, unknown>): number | undefined {
    const { rank, world, name, proof: given } = frame
    const { token, world: expected } = this.place
    if (typeof rank !== 'number' || !Number.isInteger(rank) || typeof name !== 'string') return undefined
    if (!isProof(given, proof(token, nonce, rank))) {
      sendFrame(socket, { kind: 'fault', text: 'QLORA_RENDEZVOUS_TOKEN is not that of rank 0' })
      return undefined
    }
    const now = performance.now()
    const other = this.members.get(rank)
    if (world !== expected)
      this.fail(
        `rank ${rank} (${name}) was started as one of ${String(world)} ranks, rank 0 as one of ${expected}`,
      )
    else if (other) this.fail(`two processes are rank ${rank}: ${other.name} and ${name}`)
    if (this.fault !== undefined) {
      sendFrame(socket, { kind: 'fault', text: this.fault })
      return undefined
    }
    this.members.set(rank, { rank, name, begun: 0, done: 0, moved: now, heard: now, left: false })
    this.sockets.set(rank, socket)
    return rank
  }

  private hear(rank: number, frame: Record<string, unknown>): void {
    const member = this.members.get(rank)!
    const now = performance.now()
    member.heard = now
    if (frame['kind'] === 'fault')
      return this.fail(`rank ${rank} (${member.name}) failed: ${String(frame['text'])}`)
    if (frame['kind'] === 'bye') {
      member.left = true
      return this.look()
    }
    if (frame['kind'] === 'beat') {
      const { begun, done } = frame as { begun: number; done: number }
      if (done !== member.done || begun === done) member.moved = now
      else if (member.begun === member.done) member.moved = now
      Object.assign(member, { begun, done })
      return
    }
    if (frame['kind'] === 'gather') this.collect(rank, frame as never, now)
  }

  private collect(
    rank: number,
    { id, what, value }: { id: number; what: string; value: unknown },
    now: number,
  ): void {
    const gather = this.gathers.get(id) ?? { what, since: now, values: [] }
    if (gather.what !== what)
      return this.fail(
        `the ranks do not run the same program: ${namesOf([this.members.get(rank)!])} is at '${what}', another at '${gather.what}'`,
      )
    this.gathers.set(id, gather)
    gather.values[rank] = value
    if (Object.keys(gather.values).length < this.place.world) return
    this.gathers.delete(id)
    for (const socket of this.sockets.values())
      sendFrame(socket, { kind: 'gathered', id, values: gather.values })
  }

  /** A connection is gone: the kernel closes it also when a process is killed. */
  private ended(rank: number): void {
    const member = this.members.get(rank)!
    this.sockets.delete(rank)
    if (!member.left) this.fail(`rank ${rank} (${member.name}) ended: it was killed, or ended without a word`)
  }

  private look(): void {
    const now = performance.now()
    const here = [...this.members.values()]
    const isWhole = here.length === this.place.world
    if (!isWhole && now - this.opened > this.timeout) {
      const missing = Array.from({ length: this.place.world }, (_, r) => r).filter(
        (r) => !this.members.has(r),
      )
      return this.fail(
        `rank ${missing.join(', ')} of ${this.place.world} did not come within ${Math.round(this.timeout / 1000)} s`,
      )
    }
    if (!isWhole) return
    const late = [...this.gathers.values()].flatMap(
      (gather) => lateGather(gather, here, this.timeout, now) ?? [],
    )
    const reason = late[0] ?? lateCollective(here, this.timeout, now)
    if (reason !== undefined) this.fail(reason)
  }

  /** The first fault counts: it is the cause of the others. */
  private fail(text: string): void {
    if (this.fault !== undefined) return
    this.fault = text
    clearInterval(this.watch)
    for (const socket of this.sockets.values()) sendFrame(socket, { kind: 'fault', text })
  }
}
