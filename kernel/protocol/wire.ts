import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Content, Header, Message } from './message'

const delimiter = Buffer.from('<IDS|MSG>')
const rememberedSignatures = 65_536

/**
 * Converts frames to messages and back; signs outgoing messages, and refuses unsigned, wrongly signed or
 * repeated ones.
 */
export class Wire {
  private readonly seen = new Set<string>()

  /** An empty key turns signing off, as the protocol defines. */
  constructor(private readonly key: string) {}

  encode(message: Message): Buffer[] {
    const parts = [message.header, message.parent_header, message.metadata, message.content].map((part) =>
      Buffer.from(JSON.stringify(part)),
    )
    return [...message.identities, delimiter, Buffer.from(this.sign(parts)), ...parts, ...message.buffers]
  }

  /** Throws for frames that are not a message of this connection. */
  decode(frames: readonly Buffer[]): Message {
    const at = frames.findIndex((frame) => frame.equals(delimiter))
    if (at < 0) throw new Error('message: no <IDS|MSG> delimiter')
    const parts = frames.slice(at + 2, at + 6)
    const signature = frames[at + 1]
    if (signature === undefined || parts.length < 4) {
      throw new Error(`message: ${parts.length} of 4 parts behind the signature`)
    }
    this.check(signature, parts)
    const [header, parent, metadata, content] = parts.map(parseObject)
    if (typeof header?.msg_type !== 'string' || typeof header.msg_id !== 'string') {
      throw new Error('message: header without msg_type or msg_id')
    }
    return {
      identities: frames.slice(0, at),
      header: header as unknown as Header,
      parent_header: parent as Partial<Header>,
      metadata: metadata!,
      content: content!,
      buffers: frames.slice(at + 6),
    }
  }

  private sign(parts: readonly Buffer[]): string {
    if (this.key === '') return ''
    const hmac = createHmac('sha256', this.key)
    for (const part of parts) hmac.update(part)
    return hmac.digest('hex')
  }

  private check(signature: Buffer, parts: readonly Buffer[]): void {
    if (this.key === '') return
    const wanted = Buffer.from(this.sign(parts))
    if (signature.length !== wanted.length || !timingSafeEqual(signature, wanted)) {
      throw new Error('message: the signature does not fit')
    }
    const text = wanted.toString()
    if (this.seen.has(text)) throw new Error('message: replayed')
    this.seen.add(text)
    if (this.seen.size > rememberedSignatures) this.seen.delete(this.seen.values().next().value!)
  }
}

function parseObject(part: Buffer): Content {
  const value: unknown = JSON.parse(part.toString('utf8'))
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('message: a part is not a JSON object')
  }
  return value as Content
}
