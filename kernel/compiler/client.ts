import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Completeness } from './completeness'
import { DeclarationList } from './declaration-list'
import type { Compiled, CompilerReply, CompilerRequest, Completion, Inspection } from './messages'

/** The requests that the kernel makes to TypeScript; positions are in UTF-16 units. */
export interface Compiler {
  convert(code: string): Promise<Compiled>
  complete(code: string, position: number): Promise<Completion>
  inspect(code: string, position: number): Promise<Inspection>
  isComplete(code: string): Promise<Completeness>
  /** Ends a conversion that takes too long; it rejects with a KeyboardInterrupt. */
  interrupt(): void
  /** Forgets what the cells have declared. */
  forget(): void
}

interface Waiting {
  type: CompilerRequest['type']
  resolve(result: unknown): void
  reject(error: Error): void
}

type Question = CompilerRequest extends infer R
  ? R extends CompilerRequest
    ? Omit<R, 'sequence'>
    : never
  : never

/** Milliseconds that a conversion may still take after an interrupt. */
const patience = 300

/**
 * The TypeScript thread. It is restarted when it is interrupted or fails, so the cells' declarations are kept
 * here too.
 */
export class CompilerThread implements Compiler {
  private worker: Worker
  private readonly waiting = new Map<number, Waiting>()
  private declarations = new DeclarationList()
  private sequence = 0

  constructor() {
    this.worker = this.start()
  }

  async convert(code: string): Promise<Compiled> {
    const compiled = await this.ask<Compiled>({ type: 'convert', code })
    if (compiled.ok && compiled.change) this.declarations.apply(compiled.change)
    return compiled
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

  interrupt(): void {
    const pending = [...this.waiting].find(([, { type }]) => type === 'convert')?.[0]
    if (pending === undefined) return
    setTimeout(() => {
      if (!this.waiting.has(pending)) return
      this.restart(Object.assign(new Error('the cell was interrupted'), { name: 'KeyboardInterrupt' }))
    }, patience)
  }

  forget(): void {
    this.declarations = new DeclarationList()
    this.worker.postMessage({ type: 'forget', sequence: 0 } satisfies CompilerRequest)
  }

  private start(): Worker {
    const worker = new Worker(join(__dirname, 'worker.js'), {
      workerData: this.declarations.all,
      // A small young generation: parsing fills it with long-lived objects, and it never shrinks again.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
    })
    worker.on('message', (reply: CompilerReply) => {
      const waiting = this.waiting.get(reply.sequence)
      this.waiting.delete(reply.sequence)
      if (reply.error !== undefined) waiting?.reject(new Error(reply.error))
      else waiting?.resolve(reply.result)
    })
    worker.on('error', (error: Error) => {
      process.stderr.write(`[kernel] TypeScript thread: ${String(error)}; started again\n`)
      if (worker === this.worker) this.restart(new Error(`TypeScript could not do it: ${error.message}`))
    })
    return worker
  }

  private restart(reason: Error): void {
    const { worker } = this
    const waiting = [...this.waiting.values()]
    this.waiting.clear()
    this.worker = this.start()
    worker.removeAllListeners('message')
    void worker.terminate()
    for (const { reject } of waiting) reject(reason)
  }

  private ask<T>(question: Question): Promise<T> {
    const sequence = ++this.sequence
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(sequence, {
        type: question.type,
        resolve: resolve as (result: unknown) => void,
        reject,
      })
      this.worker.postMessage({ ...question, sequence })
    })
  }
}
