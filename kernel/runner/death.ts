import { totalmem } from 'node:os'
import type { FromHost, RunOutcome } from './messages'

/** What is known about a process of cells that has ended. */
export interface Death {
  code: number | null
  signal: string | null
  /** What the process itself reported before it ended. */
  ended: Extract<FromHost, { type: 'ended' }> | undefined
  /** The end of its stderr output, where V8 writes why it aborts. */
  words: string
  /** MB; undefined if the process ended before it reported this. */
  heapLimit: number | undefined
}

const lost = 'All variables, models and open files of the cells are gone: run the cells again that made them.'

/** The result of the cell that was running. */
export function failureOf(death: Death): RunOutcome {
  const cause = causeOf(death)
  const [ename, ...advice] = adviceOf(death)
  const traceback = [`${ename}: ${cause}`, ...advice]
  return { error: { ename: ename!, evalue: [cause, ...advice].join('\n'), traceback }, userExpressions: {} }
}

/** Why the process ended, in one line. */
export function causeOf(death: Death): string {
  const { ended, code, signal, heapLimit } = death
  if (isOutOfHeap(death)) return `the cells' JavaScript heap reached its limit of ${heapLimit} MB`
  if (ended?.reason === 'exit') return `the cells' thread ended with ${ended.code} (process.exit)`
  if (isTooLarge(death)) return 'one array or string was larger than V8 can allocate, and V8 aborted'
  return `the process that runs the cells ended with ${signal ?? `exit code ${code}`}`
}

/** The error's name, then lines that say what is lost and what to do. */
function adviceOf(death: Death): string[] {
  const { ended, signal, heapLimit = 0 } = death
  if (isOutOfHeap(death)) {
    return [
      'OutOfMemory',
      lost,
      'To need less: set what is no longer used to undefined, and keep numbers in typed arrays or tensors, which lie outside of this heap.',
      `To allow more: start Jupyter with NODE_OPTIONS=--max-old-space-size=${2 * heapLimit} (in MB; this machine has ${Math.round(totalmem() / 2 ** 20)}).`,
    ]
  }
  if (ended?.reason === 'exit') return ['Exit']
  if (isTooLarge(death)) {
    return [
      'OutOfMemory',
      lost,
      'Make it in parts, or use a typed array: new Float32Array(n), Buffer.alloc(n).',
    ]
  }
  if (signal === 'SIGKILL') {
    return [
      'KernelProcessDied',
      lost,
      'Linux ends the largest process in this way when memory runs out: use a smaller batch, model or data set, or see `dmesg`.',
    ]
  }
  return ['KernelProcessDied', lost, "The kernel's log (Jupyter's terminal) may say more."]
}

function isOutOfHeap({ ended, words }: Death): boolean {
  return (
    ended?.reason === 'memory' || /heap out of memory|Reached heap limit|MarkCompactCollector/.test(words)
  )
}

const isTooLarge = ({ words }: Death): boolean =>
  /invalid (array|size|string|table)|FatalProcessOutOfMemory|Fatal process out of memory/i.test(words)
