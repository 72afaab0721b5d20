/** Limits of one rendering. */
export interface RenderLimits {
  /** Evaluated expressions and statements. Default 10,000,000. */
  steps?: number
  /** Time in milliseconds. Default 2,000. */
  milliseconds?: number
  /** Characters of the output, and of any intermediate text. Default 2^24. */
  characters?: number
  /** Entries of any intermediate list. Default 1,000,000. */
  entries?: number
}

const STEPS_BETWEEN_CLOCK_READINGS = 1024
/** Characters per step, for work that reads or makes a whole text or list at once. */
const CHARACTERS_A_STEP = 256
const ENTRIES_A_STEP = 8

/** A text that grows piece by piece, within the limits of a rendering. */
export class GrowingText {
  private readonly pieces: string[] = []
  private length = 0

  constructor(private readonly budget: Budget) {}

  add(piece: string): void {
    this.length += piece.length
    this.budget.characters(this.length, piece.length)
    this.pieces.push(piece)
  }

  get text(): string {
    return this.pieces.join('')
  }
}

/** Counts what one rendering uses. Every method throws when a limit is exceeded. */
export class Budget {
  private readonly limits: Required<RenderLimits>
  private readonly started = performance.now()
  private steps = 0
  private nextReading = STEPS_BETWEEN_CLOCK_READINGS

  constructor(limits: RenderLimits = {}) {
    this.limits = {
      steps: 10_000_000,
      milliseconds: 2000,
      characters: 2 ** 24,
      entries: 1_000_000,
      ...limits,
    }
  }

  /** Counts `steps` small pieces of work. */
  spend(steps = 1): void {
    this.steps += steps
    if (this.steps < this.nextReading) return
    this.nextReading = this.steps + STEPS_BETWEEN_CLOCK_READINGS
    const { steps: most, milliseconds } = this.limits
    if (this.steps > most) throw new Error(`rendering took more than ${most} steps`)
    if (performance.now() - this.started > milliseconds)
      throw new Error(`rendering took longer than ${milliseconds} ms`)
  }

  /** Call before a text grows to this length; `added`: the number of new characters. */
  characters(length: number, added: number = length): void {
    if (!(length <= this.limits.characters))
      throw new Error(`a text grew beyond ${this.limits.characters} characters`)
    this.spend(added / CHARACTERS_A_STEP)
  }

  /** Counts reading a whole value. */
  read(value: unknown): void {
    if (typeof value === 'string') this.spend(value.length / CHARACTERS_A_STEP)
    else if (Array.isArray(value)) this.spend(value.length / ENTRIES_A_STEP)
  }

  /** Call before a list of this length is made. */
  entries(length: number): void {
    if (!(length <= this.limits.entries)) throw new Error(`a list grew beyond ${this.limits.entries} entries`)
    this.spend(length / ENTRIES_A_STEP)
  }
}
