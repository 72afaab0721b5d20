import type { Content } from '../protocol/message'

/** The open comms, according to the messages in both directions. */
export class OpenComms {
  private readonly targets = new Map<string, string>()

  note(type: string, { comm_id, target_name }: Content): void {
    if (type === 'comm_open') this.targets.set(String(comm_id), String(target_name))
    if (type === 'comm_close') this.targets.delete(String(comm_id))
  }

  clear(): void {
    this.targets.clear()
  }

  /** The `comms` of a comm_info_reply. */
  answer(target: unknown): Record<string, { target_name: string }> {
    const wanted = [...this.targets].filter(
      ([, name]) => typeof target !== 'string' || target === '' || name === target,
    )
    return Object.fromEntries(wanted.map(([id, target_name]) => [id, { target_name }]))
  }
}
