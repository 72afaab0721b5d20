import { openSync, writeSync } from 'node:fs'
import type { Channel, Message } from './message'

/**
 * Writes every message of the kernel as a line of JSON: `{ time, way, channel, type, id, parent, content, ...
 * }`. Only on request (`QLORA_KERNEL_LOG=<file>`), for bug reports. The connection's key and the signatures are
 * not written, but cells and their outputs are, so only the owner can read the file.
 */
export class MessageLog {
  private readonly file: number

  /** @throws when the file cannot be written. Lines are appended to an existing file. */
  constructor(path: string) {
    this.file = openSync(path, 'a', 0o600)
  }

  add(way: 'in' | 'out', channel: Channel, message: Message): void {
    const { header, parent_header, metadata, content, buffers } = message
    // The answer may be a password.
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
