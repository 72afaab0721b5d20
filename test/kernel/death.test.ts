import { expect, it } from 'vitest'
import { causeOf, failureOf, type Death } from '../../kernel/runner/death'

const death: Death = { code: null, signal: null, ended: undefined, words: '', heapLimit: 4144 }
const error = (given: Partial<Death>) => failureOf({ ...death, ...given }).error!

it('a full heap: its limit, what is lost, and how to need less or allow more', () => {
  const { ename, evalue, traceback } = error({ ended: { type: 'ended', reason: 'memory', code: 1 }, code: 0 })
  expect(ename).toBe('OutOfMemory')
  expect(evalue).toContain('limit of 4144 MB')
  expect(traceback.join('\n')).toMatch(/All variables.*\n.*typed arrays[^]*--max-old-space-size=8288/)
  // V8 aborts the process where a single allocation is too much.
  const words = 'FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory'
  expect(error({ signal: 'SIGABRT', words })).toEqual(
    error({ ended: { type: 'ended', reason: 'memory', code: 1 } }),
  )
})

it('an allocation that V8 refuses to think of', () => {
  const { ename, evalue } = error({
    signal: 'SIGTRAP',
    words: '# Fatal JavaScript invalid size error 169220804',
  })
  expect(ename).toBe('OutOfMemory')
  expect(evalue).toContain('larger than V8 can allocate')
})

it('process.exit, a signal, and the out-of-memory killer', () => {
  expect(error({ ended: { type: 'ended', reason: 'exit', code: 3 } })).toMatchObject({
    ename: 'Exit',
    evalue: "the cells' thread ended with 3 (process.exit)",
  })
  expect(error({ signal: 'SIGSEGV' }).evalue).toContain('ended with SIGSEGV')
  expect(error({ signal: 'SIGKILL' }).evalue).toContain('when memory runs out')
  expect(causeOf({ ...death, code: 7 })).toBe('the process that runs the cells ended with exit code 7')
})
