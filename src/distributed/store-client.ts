import { connect, type Socket } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RankPlace } from './environment'
import { onFrames, sendFrame } from './frames'
import { proof } from './proof'

const BEAT_MS = 1000
const RETRY_MS = 100
/** Rank 0 speaks first; who hears nothing so long after the time limit knows that rank 0 itself is at fault. */
const GRACE_MS = 3000

interface Waiting {
  resolve: (values: unknown[]) => void
  reject: (error: Error) => void
  since: number
  what: string
}

export interface StoreClientOptions {
  /** ms */
  timeout: number
  /** Collectives of this rank, for the watch of rank 0. */
  progress: () => { begun: number; done: number }
  /** Called once, with the text of the first fault of any rank. */
  onFault: (text: string) => void
}

/** A rank's connection to rank 0. */
export class StoreClient {
  private readonly waiting: Map<number, Waiting> = new Map()
  private next = 0
  private fault: Error | undefined
  private isLeft = false
  private readonly beat: NodeJS.Timeout

  private constructor(
    private readonly socket: Socket,
    private readonly options: StoreClientOptions,
  ) {
    socket.unref()
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (!this.isLeft) this.failed('rank 0 ended: it was killed, or ended without a word')
    })
    this.beat = setInterval(() => this.tick(), BEAT_MS)
    this.beat.unref()
  }

  /** Connects to rank 0, which may come later. @throws Error when it does not come in time, or refuses. */
  static async open(place: RankPlace, options: StoreClientOptions): Promise<StoreClient> {
    const until = performance.now() + options.timeout
    for (;;) {
      const socket = await connected(place).catch((error: Error) => error)
      if (!(socket instanceof Error)) return StoreClient.enter(socket, place, options)
      if (performance.now() > until)
        throw new Error(
          `[distributed] rank 0 did not come within ${Math.round(options.timeout / 1000)} s: nobody answers at ${place.address}:${place.port} (${socket.message})`,
        )
      await sleep(RETRY_MS)
    }
  }

  /** Resolves when rank 0 has let this rank in. */
  private static enter(socket: Socket, place: RankPlace, options: StoreClientOptions): Promise<StoreClient> {
    const client = new StoreClient(socket, options)
    const { rank, world, token } = place
    return new Promise((resolve, reject) => {
      client.waiting.set(-1, {
        resolve: () => resolve(client),
        ...{ reject, since: performance.now(), what: 'the first meeting' },
      })
      socket.ref()
      onFrames(socket, (frame) => {
        if (typeof frame['nonce'] === 'string')
          sendFrame(socket, {
            ...{ rank, world, proof: proof(token, frame['nonce'], rank) },
            name: `process ${process.pid} on ${hostname()}`,
          })
        else client.hear(frame)
      })
    })
  }

  /** The values of all ranks in order, when all have come to `what` with theirs. @throws Error with the first fault of any rank. */
  gather<T>(what: string, value: T): Promise<T[]> {
    return new Promise((resolve, reject) => {
      if (this.fault) return reject(this.fault)
      const id = this.next++
      this.socket.ref()
      this.waiting.set(id, { resolve: resolve as never, reject, since: performance.now(), what })
      sendFrame(this.socket, { kind: 'gather', id, what, value })
    })
  }

  /** Tells every rank that this one cannot go on. */
  fail(text: string): void {
    if (!this.fault && !this.isLeft) sendFrame(this.socket, { kind: 'fault', text })
  }

  /** Says that this rank's part is done; the others may go on without it. */
  leave(): void {
    if (this.isLeft) return
    this.isLeft = true
    clearInterval(this.beat)
    if (!this.fault) sendFrame(this.socket, { kind: 'bye' })
  }

  private hear(frame: Record<string, unknown>): void {
    if (frame['kind'] === 'fault') return this.failed(String(frame['text']))
    const asked = this.waiting.get(frame['id'] as number)
    this.waiting.delete(frame['id'] as number)
    if (this.waiting.size === 0) this.socket.unref()
    asked?.resolve(frame['values'] as unknown[])
  }

  private tick(): void {
    const { begun, done } = this.options.progress()
    sendFrame(this.socket, { kind: 'beat', begun, done })
    const first = [...this.waiting.values()][0]
    if (first && performance.now() - first.since > this.options.timeout + GRACE_MS)
      this.failed(`rank 0 does not answer; this rank waits at '${first.what}'`)
  }

  private failed(text: string): void {
    if (this.fault) return
    this.fault = new Error(`[distributed] ${text}`)
    clearInterval(this.beat)
    this.options.onFault(text)
    for (const { reject } of this.waiting.values()) reject(this.fault)
    this.waiting.clear()
    this.socket.unref()
  }
}

function connected({ address, port }: RankPlace): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, noDelay: true })
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
