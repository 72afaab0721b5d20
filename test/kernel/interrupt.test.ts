import { afterEach, describe, expect, it } from 'vitest'
import { Interrupts, KeyboardInterrupt, Run } from '../../kernel/runner/interrupt'
import { slots } from '../../kernel/runner/messages'

function setUp() {
  const flags = new Int32Array(new SharedArrayBuffer(8))
  const moves: number[] = []
  const interrupts = new Interrupts(flags, (sequence) => moves.push(sequence))
  interrupts.isHelper = (file) => file.includes('interrupt.test')
  const run = new Run(1)
  interrupts.start(run)
  return { flags, interrupts, run, moves }
}

afterEach(() => process.removeAllListeners('SIGINT'))

describe('Interrupts', () => {
  it('ends a waiting await of the cell, once', async () => {
    const { interrupts } = setUp()
    const waiting = interrupts.wait(new Promise(() => {})) as Promise<unknown>
    expect(interrupts.arrive(1, 1)).toBe(false)
    await expect(waiting).rejects.toThrow(KeyboardInterrupt)
    await expect(interrupts.wait(Promise.resolve(5))).resolves.toBe(5)
  })

  it('is seen by a loop through shared memory; the message that follows is not a second interrupt', async () => {
    const { flags, interrupts } = setUp()
    interrupts.check()
    Atomics.store(flags, slots.interrupt, 1)
    expect(interrupts.check).toThrow(KeyboardInterrupt)
    interrupts.check()
    const waiting = interrupts.wait(Promise.resolve('later')) as Promise<unknown>
    interrupts.arrive(1, 1)
    await expect(waiting).resolves.toBe('later')
  })

  it('leaves a listener its time; a second interrupt does not, and is not told to it', async () => {
    const { interrupts } = setUp()
    let heard = 0
    process.on('SIGINT', () => heard++)
    const waiting = interrupts.wait(new Promise(() => {})) as Promise<unknown>
    expect(interrupts.arrive(1, 1)).toBe(true)
    expect(heard).toBe(1)
    expect(interrupts.arrive(1, 2)).toBe(false)
    expect(heard).toBe(1)
    await expect(waiting).rejects.toThrow(KeyboardInterrupt)
  })

  it('tells when the cell goes on by itself after such an interrupt, but not of what a package calls back', async () => {
    const { interrupts, moves } = setUp()
    // This file is the notebook's own, which vitest runs through packages.
    const callBack = new Function('check', 'check()\n//# sourceURL=/x/node_modules/package/index.js')
    process.once('SIGINT', () => {})
    interrupts.arrive(1, 3)
    await new Promise((resolve) => setImmediate(resolve))
    callBack(interrupts.check)
    expect(moves).toEqual([])
    await new Promise((resolve) => {
      setImmediate(() => {
        interrupts.check()
        interrupts.check()
        resolve(undefined)
      })
    })
    expect(moves).toEqual([3])
  })

  it('aborts the signal, and the next one is new', () => {
    const { interrupts } = setUp()
    const { signal } = interrupts
    interrupts.arrive(1, 1)
    expect(signal.aborted).toBe(true)
    expect(interrupts.signal.aborted).toBe(false)
  })

  it('does not touch another cell, nor leave its flag behind', () => {
    const { flags, interrupts } = setUp()
    Atomics.store(flags, slots.interrupt, 1)
    expect(interrupts.arrive(7, 1)).toBe(false)
    interrupts.check()
  })

  it('ends everything of an abandoned run', async () => {
    const { interrupts, run } = setUp()
    const waiting = interrupts.wait(new Promise(() => {})) as Promise<unknown>
    interrupts.abandon(1)
    await expect(waiting).rejects.toThrow(KeyboardInterrupt)
    interrupts.current = run
    expect(interrupts.check).toThrow(KeyboardInterrupt)
  })
})
