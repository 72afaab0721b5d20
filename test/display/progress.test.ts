import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { streamOutput } from '../../src/display/output'
import { Progress } from '../../src/display/progress'
import { logging } from '../../src/logging'
import { fakeNotebook, fakeStream } from './fake-output'

beforeEach(() => void vi.useFakeTimers({ now: 1_000_000 }))
afterEach(() => {
  vi.useRealTimers()
  logging.enable_progress_bar()
})

const drain = (): Promise<void> => vi.advanceTimersByTimeAsync(0).then(() => undefined)

describe('Progress', () => {
  it('updates one notebook output in place, at most four times a second, and ends on the last state', () => {
    const notebook = fakeNotebook()
    const progress = new Progress({ label: 'Loading <x>', total: 100, unit: 'layers', output: notebook })
    for (let i = 1; i <= 100; i++) {
      progress.update(i)
      vi.advanceTimersByTime(10)
    }
    progress.finish('done')
    progress.update(3)
    expect(notebook.outputs).toHaveLength(1)
    const frames = notebook.outputs[0]!
    expect(frames.length).toBe(6) // at 0, 250, 500, 750 ms, 1 s, and the end
    expect(frames.at(-1)!['text/plain']).toBe('Loading <x>: 100%, 100 / 100 layers, 100 layers/s, 0:01, done')
    expect(frames.at(-1)!['text/html']).toContain('Loading &lt;x&gt;')
    expect(frames.at(-1)!['text/html']).toContain('<progress max="100" value="100"')
  })

  it('tells rate and time left, in binary units for bytes', () => {
    const notebook = fakeNotebook()
    const progress = new Progress({
      label: 'Downloading',
      total: 4 * 2 ** 20,
      unit: 'bytes',
      output: notebook,
    })
    vi.advanceTimersByTime(2_000)
    progress.update(2 ** 20)
    expect(notebook.outputs[0]![0]!['text/plain']).toBe(
      'Downloading: 25%, 1.00 MiB / 4.00 MiB, 512.0 KiB/s, 0:06 left',
    )
    progress.finish()
  })

  it('works without a total, and when the total comes later or is nothing', () => {
    const notebook = fakeNotebook()
    const open = new Progress({ label: 'Rows', output: notebook })
    open.update(7)
    open.finish()
    expect(notebook.outputs[0]![0]!['text/html']).not.toContain('value=')
    const empty = new Progress({ label: 'Empty', output: notebook })
    empty.update(0, { total: 0 })
    expect(notebook.outputs[1]![0]!['text/plain']).toBe('Empty: 0 / 0')
    empty.finish()
  })

  it('prints plain lines every five seconds and at the end, without control characters', async () => {
    const pipe = fakeStream(false)
    const progress = new Progress({ label: 'Tokenizing', total: 120, output: streamOutput(pipe) })
    for (let i = 1; i <= 120; i++) {
      progress.update(i)
      await vi.advanceTimersByTimeAsync(100)
    }
    progress.finish()
    await drain()
    const lines = pipe.text().trimEnd().split('\n')
    expect(lines).toHaveLength(3)
    expect(lines[2]).toBe('Tokenizing: 100%, 120 / 120, 10/s, 0:12')
    expect(pipe.text()).not.toContain('\u001b')
  })

  it('draws a bar in a terminal and leaves no timer behind', async () => {
    const terminal = fakeStream(true)
    const progress = new Progress({ label: 'Loading', total: 4, output: streamOutput(terminal) })
    const second = new Progress({ label: 'Other', total: 2, output: streamOutput(terminal) })
    progress.update(2)
    second.update(1)
    await vi.advanceTimersByTimeAsync(500)
    expect(terminal.text()).toContain('Loading ████████████░░░░░░░░░░░░ 50%, 2 / 4')
    expect(terminal.text()).toContain('Other ')
    progress.finish()
    second.finish()
    await drain()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('shows nothing after logging.disable_progress_bar()', () => {
    logging.disable_progress_bar()
    const notebook = fakeNotebook()
    const progress = new Progress({ label: 'Loading', total: 4, output: notebook })
    progress.update(4)
    progress.finish()
    expect(notebook.outputs).toHaveLength(0)
  })
})
