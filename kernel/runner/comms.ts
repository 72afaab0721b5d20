import { randomUUID } from 'node:crypto'
import type { CommKind, CommMessage } from './messages'

type Json = Record<string, unknown>

/** What a handler receives: the message's content, metadata and binary buffers. */
export interface CommEvent {
  content: { comm_id: string; data: Json; target_name?: string }
  metadata: Json
  buffers: Uint8Array[]
}

type Handler = (message: CommEvent) => unknown
type Send = (message: Omit<CommMessage, 'run'>) => void

interface Extras {
  metadata?: Json
  buffers?: Uint8Array[]
}

/** The cells' end of a connection to a frontend's widget. */
export class Comm {
  private onMessage: Handler | undefined
  private onClose: Handler | undefined

  constructor(
    private readonly comms: Comms,
    readonly target_name: string,
    readonly comm_id: string,
  ) {}

  send(data: Json = {}, extras: Extras = {}): void {
    this.comms.send('comm_msg', this, { data }, extras)
  }

  close(data: Json = {}, extras: Extras = {}): void {
    if (this.comms.forget(this)) this.comms.send('comm_close', this, { data }, extras)
  }

  on_msg(handler: Handler): void {
    this.onMessage = handler
  }

  on_close(handler: Handler): void {
    this.onClose = handler
  }

  /** Handles a frontend's message. */
  handle(kind: 'comm_msg' | 'comm_close', event: CommEvent): unknown {
    return (kind === 'comm_msg' ? this.onMessage : this.onClose)?.(event)
  }
}

/** The cells' side of comms: `kernel.comms` and `kernel.Comm`. */
export class Comms {
  private readonly targets = new Map<string, (comm: Comm, message: CommEvent) => unknown>()
  private readonly opened = new Map<string, Comm>()

  readonly registry: object = {
    register_target: (name: string, handler: (comm: Comm, message: CommEvent) => unknown) =>
      void this.targets.set(name, handler),
    unregister_target: (name: string) => void this.targets.delete(name),
    get: (comm_id: string) => this.opened.get(comm_id),
  }

  /** `new kernel.Comm(target, data, { comm_id, metadata, buffers, target_module })` opens one in the frontend. */
  readonly Comm: unknown

  /** The same as a function. */
  readonly open: (
    name: string,
    data?: Json,
    options?: Extras & { comm_id?: string; target_module?: string },
  ) => Comm

  constructor(private readonly post: Send) {
    const open: Comms['open'] = (name, data = {}, options = {}) => {
      const { comm_id = randomUUID(), target_module, ...extras } = options
      const comm = new Comm(this, name, comm_id)
      this.opened.set(comm_id, comm)
      const module = target_module === undefined ? {} : { target_module }
      this.send('comm_open', comm, { target_name: name, ...module, data }, extras)
      return comm
    }
    this.open = open
    this.Comm = function (...given: Parameters<typeof open>): Comm {
      return open(...given)
    }
  }

  send(kind: CommKind, comm: Comm, content: Json, { metadata = {}, buffers = [] }: Extras): void {
    const plain = JSON.parse(JSON.stringify({ comm_id: comm.comm_id, ...content })) as Json
    this.post({ kind, content: plain, metadata, buffers })
  }

  /** Returns false if it was already closed. */
  forget(comm: Comm): boolean {
    return this.opened.delete(comm.comm_id)
  }

  /** Handles a frontend's message; settles when the handlers have ended. */
  async receive({ kind, content, metadata, buffers }: CommMessage): Promise<void> {
    const event = { content, metadata, buffers } as unknown as CommEvent
    const { comm_id, target_name = '' } = event.content
    if (kind === 'comm_open') {
      const comm = new Comm(this, target_name, comm_id)
      this.opened.set(comm_id, comm)
      try {
        const handler = this.targets.get(target_name)
        if (!handler) throw new Error(`comm_open: no target '${target_name}' is registered`)
        await handler(comm, event)
      } catch (error) {
        comm.close()
        throw error
      }
      return
    }
    const comm = this.opened.get(comm_id)
    if (!comm) return
    if (kind === 'comm_close') this.forget(comm)
    await comm.handle(kind, event)
  }
}
