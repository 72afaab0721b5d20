import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { streamOutput } from '../../src/display/output'
import { createTrainingDisplay, type TrainingDisplay } from '../../src/display/training-progress'
import { fakeNotebook, fakeStream } from './fake-output'

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

const row = { step: 2, loss: 1.23456, grad_norm: 0.5, learning_rate: 2e-4, epoch: 0.5 }

async function run(display: TrainingDisplay): Promise<void> {
  display.start({ max_steps: 4, title: 'My run' })
  for (let step = 1; step <= 4; step++) {
    await vi.advanceTimersByTimeAsync(1_000)
    display.step(step)
    if (step % 2 === 0) display.log({ ...row, step, tokens_per_second: 290.6, memory_bytes: 2 ** 30 })
  }
}

it('shows a bar and a chart in a notebook, the bar first', async () => {
  const notebook = fakeNotebook()
  const display = createTrainingDisplay({ output: notebook })
  await run(display)
  display.end({ train_loss: 1.5 })
  const [bar, library, chart] = notebook.outputs
  expect(bar![0]!['text/plain']).toBe('Training: step 0 of 4')
  expect(bar!.at(-1)!['text/plain']).toBe(
    'Training: step 4 of 4, 1 s a step, 4 s in all, loss 1.235, 291 tokens/s, 1.00 GiB, mean loss 1.5',
  )
  expect(library![0]!['text/plain']).toBe('(plotly.js)')
  expect(bar!.map((frame) => frame['text/plain'])).toContain('Training: step 2 of 4, 1 s a step, 2 s left')
  expect(chart![0]!['text/plain']).toBe('My run: no steps logged yet')
  expect(chart!.at(-1)!['text/plain']).toMatch(/^My run, steps 2 to 4/)
  // Speed and memory stand in the line of the bar alone.
  expect(chart!.at(-1)!['text/html']).not.toContain('tokens/s')
  expect(notebook.outputs).toHaveLength(3)
})

it('keeps speed and memory beside the loss of an evaluation', async () => {
  const notebook = fakeNotebook()
  const display = createTrainingDisplay({ output: notebook })
  display.start({ max_steps: 4 })
  display.step(2)
  display.log({ ...row, tokens_per_second: 290.6, memory_bytes: 2 ** 30 })
  display.log({ step: 2, eval_loss: 1.5 })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(notebook.outputs[0]!.at(-1)!['text/plain']).toMatch(
    /, loss 1\.235, evaluation loss 1\.5, 291 tokens\/s, 1\.00 GiB$/,
  )
  display.end()
})

it('says that an interrupted run stopped, and where', async () => {
  const notebook = fakeNotebook()
  const display = createTrainingDisplay({ output: notebook })
  display.start({ max_steps: 10 })
  display.step(3)
  display.end()
  expect(notebook.outputs[0]!.at(-1)!['text/plain']).toMatch(
    /^Training: step 3 of 10.*stopped; run the cell again \(trainer\.train\(\)\) to go on$/,
  )
})

it('of a run that goes on, begins at its step, with its rows in the chart, and the speed of new steps', async () => {
  const notebook = fakeNotebook()
  const display = createTrainingDisplay({ output: notebook })
  display.start({ max_steps: 10, step: 4, history: [row, { ...row, step: 4 }] })
  await vi.advanceTimersByTimeAsync(2_000)
  display.step(5)
  display.log({ ...row, step: 5 })
  display.end()
  const [bar] = notebook.outputs
  expect(bar![0]!['text/plain']).toBe('Training: step 4 of 10')
  expect(bar!.at(-1)!['text/plain']).toMatch(/^Training: step 5 of 10, 2 s a step, /)
  expect(notebook.outputs.at(-1)!.at(-1)!['text/plain']).toMatch(/^Training, steps 2 to 5/)
})

it('prints rows as Python dictionaries on a pipe, the bar elsewhere', async () => {
  const [out, err] = [fakeStream(false), fakeStream(false)]
  const display = createTrainingDisplay({ output: streamOutput(out), progressOutput: streamOutput(err) })
  await run(display)
  display.end({ train_runtime: 4, train_loss: 1.5 })
  await vi.advanceTimersByTimeAsync(1)
  const lines = out.text().trimEnd().split('\n')
  expect(lines[0]).toBe(
    "{'loss': 1.235, 'grad_norm': 0.5, 'learning_rate': 2e-4, 'epoch': 0.5, 'tokens_per_second': 290.6, 'memory_bytes': 1073741824}",
  )
  expect(lines.slice(2)).toEqual(["{'train_runtime': 4, 'train_loss': 1.5}"])
  expect(err.text()).toMatch(/^Training: step 4 of 4/)
})

it('prints rows above the bar in a terminal', async () => {
  const terminal = fakeStream(true)
  const output = streamOutput(terminal)
  const display = createTrainingDisplay({ output, progressOutput: output })
  await run(display)
  await vi.advanceTimersByTimeAsync(500)
  display.end({ train_loss: 1.5 })
  await vi.advanceTimersByTimeAsync(500)
  expect(terminal.text()).toContain("{'loss': 1.235")
  expect(terminal.text()).toContain("{'train_loss': 1.5}\n")
  expect(terminal.text()).toContain('Training ')
  expect(vi.getTimerCount()).toBe(0)
})

it('disable_tqdm hides bar and chart but not the rows', async () => {
  const [out, err] = [fakeStream(false), fakeStream(true)]
  const display = createTrainingDisplay({
    disable_tqdm: true,
    output: streamOutput(out),
    progressOutput: streamOutput(err),
  })
  await run(display)
  display.end({ train_loss: 1.5 })
  const notebook = fakeNotebook()
  const quiet = createTrainingDisplay({ disable_tqdm: true, output: notebook })
  await run(quiet)
  await vi.advanceTimersByTimeAsync(1)
  expect(err.text()).toBe('')
  expect(out.text().split('\n').filter(Boolean)).toHaveLength(3)
  expect(notebook.outputs.map(([first]) => first!['text/plain'].slice(0, 8))).toEqual([
    "{'loss':",
    "{'loss':",
  ])
})
