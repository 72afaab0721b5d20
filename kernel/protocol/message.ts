import { randomUUID } from 'node:crypto'

export type Content = Record<string, unknown>
export type Channel = 'shell' | 'control' | 'iopub' | 'stdin'

export interface Header {
  msg_id: string
  session: string
  username: string
  date: string
  msg_type: string
  version: string
  /** Kernel subshells: absent or null for the main shell. */
  subshell_id?: string | null
}

/** A Jupyter message; `identities` are the routing frames, for iopub the topic. */
export interface Message {
  identities: Buffer[]
  header: Header
  parent_header: Partial<Header>
  metadata: Content
  content: Content
  buffers: Buffer[]
}

export const protocolVersion = '5.5'

export function createMessage(
  session: string,
  type: string,
  content: Content,
  parent?: Message,
  identities: Buffer[] = parent?.identities ?? [],
): Message {
  const header: Header = {
    msg_id: randomUUID(),
    session,
    username: parent?.header.username ?? 'kernel',
    date: new Date().toISOString(),
    msg_type: type,
    version: protocolVersion,
  }
  return { identities, header, parent_header: parent?.header ?? {}, metadata: {}, content, buffers: [] }
}
