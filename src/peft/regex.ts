import { type Node, RegexParser } from './regex-parser'

/** The most instructions of an expression; together with the length of the text they limit the time of a match. */
const SIZE = 5000

type Instruction =
  | { op: 'char'; test: (code: number) => boolean }
  | { op: 'edge'; test: (codes: readonly number[], at: number) => boolean }
  | { op: 'split'; first: number; second: number }
  | { op: 'jump'; to: number }
  | { op: 'save'; name: string; end: boolean }
  | { op: 'look'; program: Instruction[]; width: number | undefined; negative: boolean }
  | { op: 'match' }

/**
 * A regular expression in Python's syntax, for PEFT's patterns. Patterns come from files, so a match takes time
 * proportional to expression times text (with look-around, times text again): of each pair of an instruction
 * and a position in the text, the first visit decides. The result equals that of Python's backtracking.
 * References to groups, atomic groups and possessive repetition cannot be matched in that time and are refused.
 */
export class PythonRegex {
  private readonly program: Instruction[]

  /** @throws Error naming the mistake and its position. */
  constructor(readonly source: string) {
    this.program = new Compiler().program(new RegexParser(source).parse())
  }

  /** Whether the whole text matches, like `re.fullmatch`. */
  fullmatch(text: string): boolean {
    return new Run(codesOf(text)).match(this.program, 0, true) !== undefined
  }

  /** The named groups if the text begins with a match, like `re.match`; else undefined. */
  match(text: string): Record<string, string> | undefined {
    const codes = codesOf(text)
    const groups = new Run(codes).match(this.program, 0, false)
    return (
      groups &&
      Object.fromEntries(
        Object.entries(groups).map(([name, [from, to]]) => [
          name,
          String.fromCodePoint(...codes.slice(from, to)),
        ]),
      )
    )
  }
}

type Groups = Record<string, [from: number, to: number]>

/** Backtracking over one text; no pair (instruction, position) is visited twice. */
class Run {
  private readonly looks: Map<Instruction, Map<number, boolean>> = new Map()

  constructor(private readonly codes: readonly number[]) {}

  match(program: readonly Instruction[], start: number, whole: boolean): Groups | undefined {
    const places = this.codes.length + 1
    const visited = new Uint8Array(program.length * places)
    const open: { pc: number; at: number; groups: Groups }[] = [{ pc: 0, at: start, groups: {} }]
    for (let state = open.pop(); state; state = open.pop()) {
      let { pc, at, groups } = state
      for (;;) {
        const seen = pc * places + at
        if (visited[seen]) break
        visited[seen] = 1
        const step = program[pc]!
        pc++
        if (step.op === 'match') {
          if (!whole || at === this.codes.length) return groups
          break
        } else if (step.op === 'char') {
          if (at === this.codes.length || !step.test(this.codes[at]!)) break
          at++
        } else if (step.op === 'edge') {
          if (!step.test(this.codes, at)) break
        } else if (step.op === 'look') {
          if (this.look(step, at) === step.negative) break
        } else if (step.op === 'save') {
          const [from] = groups[step.name] ?? [at]
          groups = { ...groups, [step.name]: step.end ? [from, at] : [at, at] }
        } else if (step.op === 'jump') pc = step.to
        else {
          open.push({ pc: step.second, at, groups })
          pc = step.first
        }
      }
    }
    return undefined
  }

  private look(step: Instruction & { op: 'look' }, at: number): boolean {
    const known = this.looks.get(step) ?? new Map<number, boolean>()
    this.looks.set(step, known)
    let found = known.get(at)
    if (found === undefined) {
      const start = at - (step.width ?? 0)
      found = start >= 0 && this.match(step.program, start, false) !== undefined
      known.set(at, found)
    }
    return found
  }
}

/** Compiles an expression to instructions; look-arounds become programs of their own. */
class Compiler {
  private steps = 0

  program(node: Node): Instruction[] {
    const out: Instruction[] = []
    this.emit(node, out)
    out.push({ op: 'match' })
    return out
  }

  private emit(node: Node, out: Instruction[]): void {
    // Also counts empty parts: `((){5000}){5000}` makes no instruction.
    if (++this.steps > SIZE) throw new Error(`it is too large (more than ${SIZE} steps)`)
    if (node.kind === 'char') out.push({ op: 'char', test: node.test })
    else if (node.kind === 'edge') out.push({ op: 'edge', test: node.test })
    else if (node.kind === 'sequence') for (const part of node.parts) this.emit(part, out)
    else if (node.kind === 'choice') this.choice(node.parts, out)
    else if (node.kind === 'repeat') this.repeat(node, out)
    else if (node.kind === 'look') {
      const width = node.behind ? widthOf(node.part) : undefined
      out.push({ op: 'look', program: this.program(node.part), width, negative: node.negative })
    } else if (node.name === undefined) this.emit(node.part, out)
    else {
      out.push({ op: 'save', name: node.name, end: false })
      this.emit(node.part, out)
      out.push({ op: 'save', name: node.name, end: true })
    }
  }

  private choice(parts: readonly Node[], out: Instruction[]): void {
    const ends: { op: 'jump'; to: number }[] = []
    for (const [i, part] of parts.entries()) {
      if (i === parts.length - 1) this.emit(part, out)
      else {
        const split = { op: 'split' as const, first: out.length + 1, second: 0 }
        const end = { op: 'jump' as const, to: 0 }
        out.push(split)
        this.emit(part, out)
        out.push(end)
        ends.push(end)
        split.second = out.length
      }
    }
    for (const end of ends) end.to = out.length
  }

  private repeat({ part, min, max, lazy }: Node & { kind: 'repeat' }, out: Instruction[]): void {
    const split = (): { leave: (to: number) => void } => {
      const step = { op: 'split' as const, first: out.length + 1, second: out.length + 1 }
      out.push(step)
      return { leave: (to) => (lazy ? (step.first = to) : (step.second = to)) }
    }
    for (let i = 0; i < min; i++) this.emit(part, out)
    if (max === Infinity) {
      const start = out.length
      const loop = split()
      this.emit(part, out)
      out.push({ op: 'jump', to: start })
      loop.leave(out.length)
      return
    }
    const optional = []
    for (let i = min; i < max; i++) {
      optional.push(split())
      this.emit(part, out)
    }
    for (const one of optional) one.leave(out.length)
  }
}

/** In a look-behind, Python allows only parts of one width. */
function widthOf(node: Node): number {
  if (node.kind === 'char') return 1
  if (node.kind === 'edge' || node.kind === 'look') return 0
  if (node.kind === 'group') return widthOf(node.part)
  if (node.kind === 'sequence') return node.parts.reduce((sum, part) => sum + widthOf(part), 0)
  if (node.kind === 'repeat' && node.min === node.max) return node.min * widthOf(node.part)
  const widths = node.kind === 'choice' ? node.parts.map(widthOf) : []
  if (widths.length > 0 && widths.every((width) => width === widths[0])) return widths[0]!
  throw new Error('look-behind needs a part of one width')
}

function codesOf(text: string): number[] {
  return Array.from(text, (char) => char.codePointAt(0)!)
}
