import { LONGEST_TEXT } from '../files/text'

const QUOTE = '"'

/**
 * Splits CSV text, which arrives in pieces, into records in linear time. Fields may be quoted, with `""` for a
 * quote and with line ends inside. Lines end with `\n`, `\r\n` or `\r`. Empty lines are skipped.
 */
export class CsvParser {
  private record: string[] = []
  /** Parts of the current field. */
  private parts: string[] = []
  private length = 0
  /** The position in a field: before it, in a plain one, in quotes, or after a quote that may end it. */
  private state: 'start' | 'plain' | 'quoted' | 'closed' = 'start'
  /** Whether the current field began with a quote: an empty quoted field is not an empty line. */
  private wasQuoted = false
  private afterReturn = false
  private line = 1
  private recordLine = 1
  private quoteLine = 1

  constructor(
    private readonly path: string,
    private readonly delimiter: string,
    private readonly take: (record: string[], line: number) => void,
  ) {}

  /** @throws Error naming file and line when text follows the closing quote of a field, or a field is too long. */
  add(text: string): void {
    // The next line end and delimiter after `at`; searched again only when they have been passed.
    let newline = -1
    let carriage = -1
    let next = -1
    const find = (what: string, from: number): number => {
      const found = text.indexOf(what, from)
      return found < 0 ? text.length : found
    }
    let at = 0
    if (this.afterReturn && text[0] === '\n') at = 1
    this.afterReturn = false
    while (at < text.length) {
      if (this.state === 'quoted') {
        const end = find(QUOTE, at)
        const part = text.slice(at, end)
        this.part(part)
        for (let n = part.indexOf('\n'); n >= 0; n = part.indexOf('\n', n + 1)) this.line++
        if (end < text.length) this.state = 'closed'
        at = end + 1
        continue
      }
      const char = text[at]!
      if (char === QUOTE && this.state === 'start') {
        this.state = 'quoted'
        this.wasQuoted = true
        this.quoteLine = this.line
        at++
        continue
      }
      if (char === QUOTE && this.state === 'closed') {
        this.part(QUOTE)
        this.state = 'quoted'
        at++
        continue
      }
      if (newline < at) newline = find('\n', at)
      if (carriage < at) carriage = find('\r', at)
      if (next < at) next = find(this.delimiter, at)
      const end = Math.min(newline, carriage, next)
      if (end > at) {
        if (this.state === 'closed') throw this.fault(this.line, 'text after the closing quote of a field')
        this.part(text.slice(at, end))
        this.state = 'plain'
      }
      if (end === text.length) return
      this.endField()
      at = end + 1
      if (end === next) continue
      if (end === carriage) {
        if (text[at] === '\n') at++
        else this.afterReturn = at === text.length
      }
      this.endRecord()
    }
  }

  /** @throws Error naming the line of a quote without a closing one. */
  end(): void {
    if (this.state === 'quoted')
      throw this.fault(this.quoteLine, 'the quoted field that begins here does not end')
    if (this.state === 'start' && this.record.length === 0) return
    this.endField()
    this.endRecord()
  }

  private part(text: string): void {
    this.parts.push(text)
    this.length += text.length
    if (this.length > LONGEST_TEXT)
      throw this.fault(this.quoteLine, `a field of more than ${LONGEST_TEXT} characters`)
  }

  private endField(): void {
    this.record.push(this.parts.length === 1 ? this.parts[0]! : this.parts.join(''))
    this.parts = []
    this.length = 0
    this.state = 'start'
  }

  private endRecord(): void {
    const empty = this.record.length === 1 && this.record[0] === '' && !this.wasQuoted
    if (!empty) this.take(this.record, this.recordLine)
    this.record = []
    this.wasQuoted = false
    this.line++
    this.recordLine = this.line
  }

  private fault(line: number, what: string): Error {
    return new Error(`${this.path}:${line}: ${what}`)
  }
}
