import type { Message } from '../protocol/message'

type Publish = (parent: Message, type: string, content: Record<string, unknown>) => void

/** Joins a cell's consecutive writes into one message; `flush` before anything else is published. */
export class Streams {
  private pending: { parent: Message; name: string; text: string } | undefined
  private scheduled = false

  constructor(private readonly publish: Publish) {}

  write(parent: Message, name: string, text: string): void {
    if (text === '') return
    if (this.pending && (this.pending.parent !== parent || this.pending.name !== name)) this.flush()
    if (this.pending) this.pending.text += text
    else this.pending = { parent, name, text }
    if (this.pending.text.length > 65_536) return this.flush()
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      this.flush()
    })
  }

  flush(): void {
    const { pending } = this
    this.pending = undefined
    if (pending) this.publish(pending.parent, 'stream', { name: pending.name, text: pending.text })
  }
}
