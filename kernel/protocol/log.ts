import { openSync, writeSync } from 'node:fs'
import type { Channel, Message } from './message'

/**
 * Every message of the kernel as a line of JSON: `{ time, way, channel, type, id, parent, content, ... }`. On request only
 * (`QLORA_KERNEL_LOG=<file>`), for bug reports. The connection's key and the signatures are not written; what cells and
 * their outputs say is, so the file is readable by its owner alone.
 */
export class MessageLog {
  private readonly file: number

  /** @throws if the file cannot be written; lines are added to what it has. */
  constructor(path: string) {
    this.file = openSync(path, 'a', 0o600)
  }

  add(way: 'in' | 'out', channel: Channel, message: Message): void {
    const { header, parent_header, metadata, content, buffers } = message
    // A password that the user has typed.
    const isAnswer = header.msg_type === 'input_reply'
    const line = {
      time: new Date().toISOString(),
      way,
      channel,
      type: header.msg_type,
      id: header.msg_id,
      parent: parent_header.msg_id ?? null,
      session: header.session,
      ...(header.subshell_id != null && { subshell: header.subshell_id }),
      ...(Object.keys(metadata).length > 0 && { metadata }),
      content: isAnswer ? '(hidden)' : content,
      ...(buffers.length > 0 && { buffers: buffers.map(({ length }) => length) }),
    }
    writeSync(this.file, JSON.stringify(line) + '\n')
  }
}
