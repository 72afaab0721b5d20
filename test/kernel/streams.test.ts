import { expect, it, vi } from 'vitest'
import { Streams } from '../../kernel/runner/streams'

it('joins consecutive writes of a run to a stream, in order, until something else is sent', async () => {
  const sent: unknown[] = []
  const streams = new Streams((...given) => sent.push(given))
  streams.write(1, 'stdout', 'a')
  streams.write(1, 'stdout', '')
  streams.write(1, 'stdout', 'b')
  streams.write(1, 'stderr', 'c')
  streams.write(2, 'stderr', 'd')
  streams.flush()
  streams.write(2, 'stderr', 'e')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(sent).toEqual([
    [1, 'stdout', 'ab'],
    [1, 'stderr', 'c'],
    [2, 'stderr', 'd'],
    [2, 'stderr', 'e'],
  ])
})

it('while a run writes without end, a message goes out every 10 ms', () => {
  vi.useFakeTimers()
  try {
    const sent: string[] = []
    const streams = new Streams((_run, _name, text) => sent.push(text))
    streams.write(1, 'stdout', 'a')
    vi.advanceTimersByTime(0)
    expect(sent).toEqual(['a'])
    streams.write(1, 'stdout', 'b')
    vi.advanceTimersByTime(9)
    streams.write(1, 'stdout', 'c')
    expect(sent).toEqual(['a'])
    vi.advanceTimersByTime(1)
    expect(sent).toEqual(['a', 'bc'])
  } finally {
    vi.useRealTimers()
  }
})
