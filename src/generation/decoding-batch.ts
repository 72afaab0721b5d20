import type { CausalLM } from '../models/causal-lm'
import { decodeStep, greedyStep, type RowStep } from '../models/decode'
import type { KVCache } from '../models/kv-cache'
import type { Sequence } from './sequence'

const DEFAULT_CHUNK = 8192
/** Steps that a GPU is given before their ids are known here: reading a token takes longer than one of a small model. */
const STEPS_AHEAD = 2

export interface BatchOptions {
  /** false: each step computes the whole sequences. */
  usesCache?: boolean
  /** The most tokens of one step. Default 8192. */
  chunk?: number | undefined
}

/** A sequence in the batch, its row in the cache, and the row of its guide. */
interface Member {
  sequence: Sequence
  row: number
  guideRow: number | undefined
  /** Further answers to the same prompt; they join when the prompt has been read. */
  forks: Sequence[]
}

/** The next tokens of one row. `whole`: no token is left for a later step. */
interface Feed {
  step: RowStep
  whole: boolean
  draft: number[]
}

/**
 * Sequences of different lengths that are generated together. Each step feeds every row the tokens that are not
 * in its cache yet. Finished sequences leave, and new ones can join between two steps.
 */
export class DecodingBatch {
  private members: Member[] = []

  constructor(
    private readonly model: CausalLM,
    /** It belongs to the caller. */
    readonly cache: KVCache,
    private readonly options: BatchOptions = {},
  ) {}

  /** Number of unfinished sequences. */
  get size(): number {
    return this.members.length
  }

  private freeRow(): number {
    const used = new Set(this.members.flatMap(({ row, guideRow }) => [row, guideRow]))
    const row = this.cache.lengths.findIndex((_, i) => !used.has(i))
    if (row === -1) throw new Error(`[generate] all ${this.cache.rows} rows of the cache are taken`)
    return row
  }

  /** Whether there is a free row for one more sequence without a guide. */
  get hasRoom(): boolean {
    return (
      this.members.reduce(
        (n, { guideRow, forks }) => n + forks.length + (guideRow === undefined ? 1 : 2),
        0,
      ) < this.cache.rows
    )
  }

  /** `known`: the row of the cache already contains the beginning of the sequence. */
  add(sequence: Sequence, { forks = [], known = false }: { forks?: Sequence[]; known?: boolean } = {}): void {
    const row = this.freeRow()
    if (!known) this.cache.crop(row, 0)
    const member: Member = { sequence, row, guideRow: undefined, forks }
    this.members.push(member)
    if (!sequence.guide) return
    member.guideRow = this.freeRow()
    this.cache.crop(member.guideRow, 0)
  }

  /** Removes a sequence, whether it is finished or not. */
  remove(sequence: Sequence): void {
    this.members = this.members.filter((member) => member.sequence !== sequence)
  }

  /** Runs the model once. Every row that was fed completely gets one token, or several if guesses were right. */
  async step(): Promise<void> {
    const feeds = this.plan()
    const steps = [...feeds.values()].flat().map(({ step }) => step)
    if (await this.stepGreedily(feeds, steps)) return
    const values = await decodeStep(this.model, steps, this.cache)
    const { vocab_size: vocab } = this.model.config
    let at = 0
    const logitsOf = ({ step }: Feed): Float32Array[] => {
      const begin = at
      at += step.logits!
      return Array.from({ length: step.logits! }, (_, i) =>
        values.subarray((begin + i) * vocab, (begin + i + 1) * vocab),
      )
    }
    const taken: Promise<void>[] = []
    for (const [member, [feed, guide]] of feeds) {
      const logits = logitsOf(feed!)
      const guideLogits = guide && logitsOf(guide)
      if (!feed!.whole) continue
      taken.push(...this.joinForks(member, logits))
      taken.push(this.take(member, logits, feed!.draft, guideLogits?.[0]))
    }
    await Promise.all(taken)
    this.members = this.members.filter(({ sequence }) => sequence.finished === undefined)
  }

  /** The whole step, if each row only needs its most probable token; returns false otherwise. */
  private async stepGreedily(feeds: Map<Member, Feed[]>, steps: readonly RowStep[]): Promise<boolean> {
    const plain = [...feeds].every(
      ([{ sequence, forks }, [feed]]) =>
        sequence.isGreedy && forks.length === 0 && feed!.whole && feed!.draft.length === 0,
    )
    if (!plain) return false
    const left = Math.min(...[...feeds.keys()].map(({ sequence }) => sequence.limit - sequence.ids.length))
    // A CPU would only compute in vain what comes behind an end token.
    const ahead = this.model.device.name === 'cpu' ? 0 : Math.min(STEPS_AHEAD, left - 1)
    const tokens = await greedyStep(this.model, steps, this.cache, { owner: this, steps: ahead })
    await Promise.all([...feeds.keys()].map(({ sequence }, i) => sequence.append(tokens[i]!)))
    this.members = this.members.filter(({ sequence }) => sequence.finished === undefined)
    return true
  }

  /** The tokens to feed to each row: all that are not in its cache, and guesses, up to `chunk` tokens per step. */
  private plan(): Map<Member, Feed[]> {
    let room = this.options.chunk ?? DEFAULT_CHUNK
    const pending = (member: Member): number => member.sequence.ids.length - this.cache.lengths[member.row]!
    if (this.options.usesCache === false)
      for (const { row, guideRow } of this.members)
        for (const used of [row, guideRow]) if (used !== undefined) this.cache.crop(used, 0)
    const feeds = new Map<Member, Feed[]>()
    // Rows that are generating come first: a new long prompt must not delay them.
    for (const member of [...this.members].sort((a, b) => pending(a) - pending(b))) {
      if (room <= 0) break
      const { sequence, row, guideRow } = member
      const rows = [{ row, ids: sequence.ids, draft: sequence.draft() }]
      if (guideRow !== undefined) rows.push({ row: guideRow, ids: sequence.guide!, draft: [] })
      const fed = rows.map(({ row, ids, draft }) => {
        const length = ids.length + draft.length
        this.cache.cropOutdated(row, length)
        const fresh = [...ids.slice(this.cache.lengths[row]!), ...draft]
        // Without a cache, or with a guide, a row cannot be fed in parts.
        const whole = fresh.length <= room || this.options.usesCache === false || guideRow !== undefined
        const part = whole ? fresh : fresh.slice(0, Math.max(1, room))
        room -= part.length
        return { step: { row, ids: part, logits: whole ? 1 + draft.length : 0, length }, whole, draft }
      })
      feeds.set(member, fed)
    }
    return feeds
  }

  private joinForks(member: Member, logits: readonly Float32Array[]): Promise<void>[] {
    const { forks } = member
    member.forks = []
    return forks.map((sequence) => {
      const row = this.freeRow()
      this.cache.copyRow(member.row, row)
      const fork: Member = { sequence, row, guideRow: undefined, forks: [] }
      this.members.push(fork)
      return this.take(fork, [logits[0]!.slice()], [])
    })
  }

  private async take(
    member: Member,
    logits: Float32Array[],
    draft: number[],
    guide?: Float32Array,
  ): Promise<void> {
    const { sequence, row } = member
    try {
      await sequence.take(logits, draft, guide)
    } catch (error) {
      // An error in one row's rules does not end the others.
      sequence.error = error
      sequence.finished = 'error'
    }
    // Removes wrong guesses from the cache; the newest token is not in it yet.
    this.cache.crop(row, sequence.ids.length - 1)
  }
}
