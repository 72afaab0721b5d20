import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads'
import { KeyboardInterrupt } from './interrupt'
import { slots } from './messages'

export type InputReply = { value: string } | { interrupted: true }

/** Asks the frontend for a line and waits for it, like a browser's `prompt`. */
export class Input {
  constructor(
    private readonly flags: Int32Array,
    private readonly replies: MessagePort,
    private readonly ask: (prompt: string) => void,
  ) {}

  /** @param allowed - whether the frontend has declared that it can answer; throws if not. */
  prompt(message: string, fallback: string | undefined, allowed: boolean): string {
    if (!allowed) throw new Error('prompt: this frontend does not take input (allow_stdin is false)')
    Atomics.store(this.flags, slots.input, 0)
    this.ask(message)
    Atomics.wait(this.flags, slots.input, 0)
    const reply = receiveMessageOnPort(this.replies)?.message as InputReply | undefined
    if (!reply || 'interrupted' in reply) throw new KeyboardInterrupt()
    return reply.value === '' && fallback !== undefined ? fallback : reply.value
  }
}
