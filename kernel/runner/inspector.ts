import { Session } from 'node:inspector'

/**
 * V8's inspector protocol to one thread. It works while that thread is busy, and while it is stopped at a
 * breakpoint.
 */
export interface Inspector {
  post<T = unknown>(method: string, params?: object): Promise<T>
  on<T>(event: string, listener: (params: T) => void): void
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

interface Received {
  id?: number
  method?: string
  params?: unknown
  result?: unknown
  error?: { message: string }
}

interface Attached {
  params: { sessionId: string; workerInfo: { url: string } }
}

/**
 * Connects to the worker whose script's URL ends with `script`. Create it before that worker starts, or it is
 * not notified of the worker.
 */
export class WorkerInspector implements Inspector {
  private readonly session = new Session()
  private readonly waiting = new Map<number, Waiting>()
  private readonly listeners = new Map<string, ((params: never) => void)[]>()
  /** Requests made before the worker existed. */
  private early: string[] = []
  private target: string | undefined
  private sequence = 0

  constructor(script: string) {
    const { session } = this
    session.connect()
    session.on('NodeWorker.attachedToWorker', ({ params }: Attached) => {
      if (!params.workerInfo.url.endsWith(script)) return
      this.target = params.sessionId
      for (const message of this.early.splice(0)) this.send(message)
    })
    session.on(
      'NodeWorker.receivedMessageFromWorker',
      ({ params }: { params: { sessionId: string; message: string } }) => {
        if (params.sessionId === this.target) this.receive(JSON.parse(params.message) as Received)
      },
    )
    session.on('NodeWorker.detachedFromWorker', ({ params }: { params: { sessionId: string } }) => {
      if (params.sessionId !== this.target) return
      for (const { reject } of this.waiting.values()) reject(new Error('the thread has ended'))
      this.waiting.clear()
    })
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false })
  }

  post<T>(method: string, params: object = {}): Promise<T> {
    const id = ++this.sequence
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (result: unknown) => void, reject })
      this.send(JSON.stringify({ id, method, params }))
    })
  }

  on<T>(event: string, listener: (params: T) => void): void {
    this.listeners.set(event, [...(this.listeners.get(event) ?? []), listener])
  }

  private send(message: string): void {
    if (this.target === undefined) this.early.push(message)
    else this.session.post('NodeWorker.sendMessageToWorker', { sessionId: this.target, message })
  }

  private receive({ id, method, params, result, error }: Received): void {
    if (method !== undefined) {
      for (const listener of this.listeners.get(method) ?? []) listener(params as never)
    }
    if (id === undefined) return
    const waiting = this.waiting.get(id)
    this.waiting.delete(id)
    if (error) waiting?.reject(new Error(error.message))
    else waiting?.resolve(result)
  }
}
