import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Interruption } from '../../kernel/runner/interruption'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function setUp() {
  const done: string[] = []
  const interruption = new Interruption({
    flag: () => void done.push('flag'),
    post: ({ type }) => void done.push(type),
    terminate: () => void done.push('terminate'),
    signalChildren: (signal) => void done.push(signal),
    giveUp: (run) => void done.push(`give up ${run}`),
  })
  const taken = () => done.splice(0)
  return { interruption, taken }
}

describe('Interruption', () => {
  it('asks; a cell that answers and ends is left alone', () => {
    const { interruption, taken } = setUp()
    interruption.begin(7)
    expect(taken()).toEqual(['flag', 'interrupt'])
    interruption.answered(1, false)
    expect(interruption.state).toBe('ending')
    interruption.end()
    vi.advanceTimersByTime(60_000)
    expect(taken()).toEqual([])
  })

  it('gives a cell up that answers and does not end within a second', () => {
    const { interruption, taken } = setUp()
    interruption.begin(7)
    interruption.answered(1, false)
    vi.advanceTimersByTime(999)
    expect(taken()).not.toContain('give up 7')
    vi.advanceTimersByTime(1)
    expect(taken()).toEqual(['ping'])
    interruption.pong(1)
    expect(taken()).toEqual(['give up 7'])
    expect(interruption.state).toBe('idle')
  })

  it('does not give it up before the thread is free', () => {
    const { interruption, taken } = setUp()
    interruption.begin(7)
    interruption.answered(1, false)
    vi.advanceTimersByTime(1150)
    expect(taken().slice(2)).toEqual(['ping', 'terminate', 'ping', 'ping'])
  })

  it('ends the JavaScript of a thread that does not answer, again and again, then signals its children', () => {
    const { interruption, taken } = setUp()
    interruption.begin(7)
    taken()
    vi.advanceTimersByTime(150)
    expect(taken()).toEqual(['terminate', 'ping', 'ping'])
    vi.advanceTimersByTime(900)
    const signals = taken().filter((what) => what.startsWith('SIG'))
    expect(signals).toEqual(['SIGINT', 'SIGINT', 'SIGTERM', 'SIGTERM', 'SIGKILL', 'SIGKILL'])
    interruption.pong(1)
    expect(taken()).toEqual(['give up 7'])
  })

  it('waits 15 s for work that stops; a second interrupt, or a cell that goes on for a second, ends that', () => {
    const { interruption, taken } = setUp()
    interruption.begin(7)
    interruption.answered(1, true)
    taken()
    vi.advanceTimersByTime(14_999)
    expect(taken()).toEqual([])
    vi.advanceTimersByTime(1)
    expect(taken()).toEqual(['flag', 'interrupt'])
    interruption.answered(2, true)
    interruption.begin(7)
    expect(taken()).toEqual(['flag', 'interrupt'])
    interruption.answered(3, true)
    interruption.moved(3)
    vi.advanceTimersByTime(1000)
    expect(taken()).toEqual(['flag', 'interrupt'])
    interruption.answered(4, false)
    vi.advanceTimersByTime(1000)
    expect(taken()).toEqual(['ping'])
  })

  it('does not listen to answers to an earlier interrupt', () => {
    const { interruption, taken } = setUp()
    interruption.begin(7)
    interruption.begin(7)
    interruption.answered(1, false)
    interruption.moved(1)
    expect(interruption.state).toBe('asked')
    taken()
    vi.advanceTimersByTime(150)
    interruption.pong(1)
    expect(interruption.state).toBe('forced')
  })
})
