import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Completeness } from './completeness'
import type { Compiled, CompilerReply, CompilerRequest, Completion, Inspection } from './messages'

/** What the kernel asks of TypeScript; positions are in UTF-16 units. */
export interface Compiler {
  convert(code: string): Promise<Compiled>
  complete(code: string, position: number): Promise<Completion>
  inspect(code: string, position: number): Promise<Inspection>
  isComplete(code: string): Promise<Completeness>
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: Error): void
}

type Question = CompilerRequest extends infer R
  ? R extends CompilerRequest
    ? Omit<R, 'sequence'>
    : never
  : never

export class CompilerThread implements Compiler {
  /** A small young generation: parsing fills it with what stays, and it never shrinks again. */
  private readonly worker = new Worker(join(__dirname, 'worker.js'), {
    resourceLimits: { maxYoungGenerationSizeMb: 12 },
  })
  private readonly waiting = new Map<number, Waiting>()
  private sequence = 0

  constructor() {
    this.worker.on('message', (reply: CompilerReply) => {
      const waiting = this.waiting.get(reply.sequence)
      this.waiting.delete(reply.sequence)
      if (reply.error !== undefined) waiting?.reject(new Error(reply.error))
      else waiting?.resolve(reply.result)
    })
    this.worker.on('error', (error) => {
      for (const waiting of this.waiting.values()) waiting.reject(error as Error)
      this.waiting.clear()
      process.stderr.write(`[kernel] TypeScript thread: ${String(error)}\n`)
    })
  }

  convert(code: string): Promise<Compiled> {
    return this.ask({ type: 'convert', code })
  }

  complete(code: string, position: number): Promise<Completion> {
    return this.ask({ type: 'complete', code, position })
  }

  inspect(code: string, position: number): Promise<Inspection> {
    return this.ask({ type: 'inspect', code, position })
  }

  isComplete(code: string): Promise<Completeness> {
    return this.ask({ type: 'is_complete', code })
  }

  private ask<T>(question: Question): Promise<T> {
    const sequence = ++this.sequence
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(sequence, { resolve: resolve as (result: unknown) => void, reject })
      this.worker.postMessage({ ...question, sequence })
    })
  }
}
