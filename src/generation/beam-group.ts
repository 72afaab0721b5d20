import type { ParsedGenerateOptions } from './options'
import { logSoftmax, type LogitsProcessor } from './processors'
import { rulesOf } from './rules'
import { draw, largest } from './select'
import type { SequenceContext } from './sequence'
import { stopCheck, type StopCheck } from './stopping'

/** A score lower than any real one. */
const WORST = -1e9

interface Beam {
  ids: number[]
  /** Sum of the log probabilities of its answer. */
  score: number
  /** For each of its tokens, the beam that it was added to. */
  beamIndices: number[]
  /** Its row in the cache, counted within the group. */
  row: number
}

/** A finished answer; `score` includes the length penalty. */
type Answer = Omit<Beam, 'row'>

/** The beams of one prompt. It does not depend on models: logits in; beams and cache rows to copy out. */
export class BeamGroup {
  /** The unfinished beams; before the first step only the prompt. */
  beams: Beam[]
  private finished: Answer[] = []
  private canImprove = true
  private isStuck = false
  private readonly rules: LogitsProcessor[]
  private readonly stops: StopCheck
  private readonly promptLength: number

  constructor(
    private readonly options: ParsedGenerateOptions,
    private readonly context: SequenceContext,
    private readonly vocab: number,
  ) {
    this.promptLength = context.prompt.length
    this.beams = [{ ids: [...context.prompt], score: 0, beamIndices: [], row: 0 }]
    this.rules = rulesOf(options, context)
    this.stops = stopCheck(options, context)
  }

  private get isFull(): boolean {
    return this.finished.length === this.options.num_beams
  }

  get isDone(): boolean {
    return !this.canImprove || this.isStuck || (this.isFull && this.options.early_stopping === true)
  }

  /**
   * Adds a token to each beam. Returns the processed scores of each, and the rows of the cache to copy, in this
   * order.
   */
  async step(
    logits: readonly Float32Array[],
  ): Promise<{ scores: Float32Array[]; copies: [number, number][] }> {
    const { num_beams: count, do_sample } = this.options
    const scores = logits.map((row, i) => {
      const own = row.slice()
      logSoftmax(own)
      for (const rule of this.rules) rule(this.beams[i]!.ids, own)
      return own
    })
    const sums = new Float32Array(scores.length * this.vocab)
    for (const [i, row] of scores.entries())
      for (let t = 0; t < this.vocab; t++) sums[i * this.vocab + t] = row[t]! + this.beams[i]!.score
    const kept = Math.min(Math.max(2, 1 + this.context.ends.length) * count, sums.length)
    const chosen = do_sample ? draw(sums, kept, this.context.uniform) : largest(sums, kept)
    const candidates: (Beam & { ended: boolean })[] = []
    for (const at of chosen) {
      const parent = Math.floor(at / this.vocab)
      const beam = this.beams[parent]!
      const ids = [...beam.ids, at % this.vocab]
      const ended = (await this.stops(ids, scores[parent]!)) !== undefined
      candidates.push({
        ids,
        score: sums[at]!,
        beamIndices: [...beam.beamIndices, parent],
        row: beam.row,
        ended,
      })
    }
    this.finish(candidates.slice(0, count).filter(({ ended }) => ended))
    const going = candidates.map((c) => ({ ...c, score: c.score + (c.ended ? WORST : 0) }))
    const next = going.sort((a, b) => b.score - a.score).slice(0, count)
    this.isStuck = candidates.every(({ ended }) => ended)
    const copies = this.placeInRows(next)
    this.updateHope()
    return { scores, copies }
  }

  /** Adds new answers to the best ones, unless the search is over. */
  private finish(ended: readonly Beam[]): void {
    const { length_penalty: penalty, early_stopping, num_beams } = this.options
    if (!this.canImprove || (this.isFull && early_stopping === true)) return
    const answers = ended.map(({ ids, score, beamIndices }) => ({
      ...{ ids, beamIndices },
      score: Math.fround(score / (ids.length - this.promptLength) ** penalty),
    }))
    this.finished = [...this.finished, ...answers].sort((a, b) => b.score - a.score).slice(0, num_beams)
  }

  /** The first beam that continues a parent stays in its row; the others get copies. */
  private placeInRows(next: readonly Beam[]): [number, number][] {
    const taken = new Set<number>()
    const copies: [number, number][] = []
    const wanting: Beam[] = []
    this.beams = next.map((beam) => ({ ...beam }))
    for (const beam of this.beams) {
      if (taken.has(beam.row)) wanting.push(beam)
      else taken.add(beam.row)
    }
    for (const beam of wanting) {
      let free = 0
      while (taken.has(free)) free++
      taken.add(free)
      copies.push([beam.row, free])
      beam.row = free
    }
    return copies
  }

  /** Whether the best beam can still become better than the worst answer (`_check_early_stop_heuristic`). */
  private updateHope(): void {
    const { length_penalty: penalty, early_stopping } = this.options
    const { ids, score } = this.beams[0]!
    const toEnd = early_stopping === 'never' && penalty > 0
    const length = (toEnd ? this.context.limit : ids.length) - this.promptLength
    const worst = this.isFull ? this.finished.at(-1)!.score : WORST
    this.canImprove &&= score / length ** penalty > worst
  }

  /** The best answers in descending order of score; beams that had not ended when the search ended are last. */
  best(count: number): Answer[] {
    return this.finished.slice(0, count)
  }
}
