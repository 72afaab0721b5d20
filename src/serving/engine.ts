import { setImmediate } from 'node:timers/promises'
import { DecodingBatch } from '../generation/decoding-batch'
import type { Sequence } from '../generation/sequence'
import type { CausalLM } from '../models/causal-lm'
import { KVCache } from '../models/kv-cache'

interface Job {
  sequence: Sequence
  resolve: () => void
  reject: (error: unknown) => void
}

/** Initial number of tokens per row; it doubles when a longer request comes. */
const FIRST_CAPACITY = 512

/**
 * Answers waiting requests together (continuous batching): up to `rows` are in one batch, and when one ends,
 * the next waiting request takes its row.
 */
export class Engine {
  private readonly waiting: Job[] = []
  private running: Job[] = []
  private cache: KVCache | undefined
  private batch: DecodingBatch | undefined
  private loop: Promise<void> | undefined
  private closed = false
  /** Number of tokens generated since the start. */
  tokens = 0

  constructor(
    private readonly model: CausalLM,
    private readonly rows: number,
  ) {}

  /** Number of requests that are being answered or wait. */
  get load(): number {
    return this.running.length + this.waiting.length
  }

  /**
   * Resolves when the sequence is finished. @throws the error of a rule, or the reason why the engine was
   * closed.
   */
  run(sequence: Sequence): Promise<void> {
    if (this.closed) return Promise.reject(new Error('the server is shutting down'))
    return new Promise<void>((resolve, reject) => {
      this.waiting.push({ sequence, resolve, reject })
      this.loop ??= this.work().finally(() => (this.loop = undefined))
    })
  }

  /** Ends a sequence now. */
  cancel(sequence: Sequence): void {
    sequence.finished ??= 'criterion'
  }

  private async work(): Promise<void> {
    // Requests that arrive in the same turn are answered together.
    await setImmediate()
    while (this.load > 0) {
      try {
        this.admit()
        if (this.running.length > 0) await this.batch!.step()
      } catch (error) {
        // After a failed step no row can continue.
        for (const job of this.running) job.reject(error)
        this.running = []
        this.reset()
      }
      this.settle()
      await setImmediate()
    }
  }

  private admit(): void {
    this.cache ??= new KVCache(this.model, FIRST_CAPACITY, this.rows)
    this.batch ??= new DecodingBatch(this.model, this.cache)
    while (this.waiting.length > 0 && this.running.length < this.rows) {
      const job = this.waiting.shift()!
      if (job.sequence.finished !== undefined) job.resolve()
      else {
        const { limit } = job.sequence
        if (limit > this.cache.capacity) this.cache.grow(Math.max(limit, 2 * this.cache.capacity))
        this.batch.add(job.sequence)
        this.running.push(job)
      }
    }
  }

  private settle(): void {
    this.running = this.running.filter(({ sequence, resolve, reject }) => {
      if (sequence.finished === undefined) return true
      this.batch!.remove(sequence)
      this.tokens += sequence.answer.length
      if (sequence.finished === 'error') reject(sequence.error)
      else resolve()
      return false
    })
  }

  private reset(): void {
    this.cache?.dispose()
    this.cache = undefined
    this.batch = undefined
  }

  /** Ends running sequences, rejects waiting ones, and frees the cache. The model belongs to the caller. */
  async close(): Promise<void> {
    this.closed = true
    for (const { reject } of this.waiting.splice(0)) reject(new Error('the server is shutting down'))
    for (const { sequence } of this.running) this.cancel(sequence)
    await this.loop
    this.reset()
  }
}
