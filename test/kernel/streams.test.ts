import { expect, it } from 'vitest'
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
  await new Promise((resolve) => setImmediate(resolve))
  expect(sent).toEqual([
    [1, 'stdout', 'ab'],
    [1, 'stderr', 'c'],
    [2, 'stderr', 'd'],
    [2, 'stderr', 'e'],
  ])
})
