import { MultiBar, type SingleBar } from 'cli-progress'
import type { OutputStream } from './output'

// The bars of one terminal share a MultiBar, so that parallel downloads do not overwrite each other.
const groups = new Map<OutputStream, { bars: MultiBar; open: number }>()

/** One progress bar in a terminal. `note` is shown after the bar. */
export class TerminalBar {
  private readonly bar: SingleBar

  constructor(
    private readonly stream: OutputStream,
    label: string,
    total: number,
  ) {
    let group = groups.get(stream)
    if (!group) {
      const options = {
        stream,
        format: '{label} {bar} {note}',
        barCompleteChar: '█',
        barIncompleteChar: '░',
        barsize: 24,
        // On Ctrl-C, cli-progress would only stop its bars, and the program would continue.
        gracefulExit: false,
        emptyOnZero: true,
        linewrap: true, // rows printed above may be longer than the line
      }
      group = { bars: new MultiBar(options), open: 0 }
      groups.set(stream, group)
    }
    group.open++
    this.bar = group.bars.create(total, 0, { label, note: '' })
  }

  update(done: number, total: number, note: string): void {
    this.bar.setTotal(total)
    this.bar.update(done, { note })
  }

  stop(): void {
    this.bar.stop()
    const group = groups.get(this.stream)
    if (!group || --group.open > 0) return
    group.bars.update() // prints the waiting lines, which stop() would drop
    group.bars.stop()
    groups.delete(this.stream)
  }
}

/** Writes a line to `stream`; if bars are open in the terminal, above them. */
export function printLine(stream: OutputStream, line: string): void {
  const group = stream.isTTY ? [...groups.values()][0] : undefined
  if (group) group.bars.log(line + '\n')
  else stream.write(line + '\n')
}
