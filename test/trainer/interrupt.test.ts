import { runInThisContext } from 'node:vm'
import { expect, it } from 'vitest'
import { listenForInterrupt } from '../../src/trainer/interrupt'
import { tinyTrainer } from './tiny'

it('the first SIGINT ends the run at the step boundary, and nobody listens afterwards', async () => {
  const before = process.listenerCount('SIGINT')
  const trainer = await tinyTrainer(
    { max_steps: 6 },
    { callbacks: [{ on_step_end: (_, state) => void (state.global_step === 2 && process.emit('SIGINT')) }] },
  )
  const output = await trainer.train()
  expect(output.stopped).toBe(true)
  expect(output.global_step).toBe(2)
  expect(process.listenerCount('SIGINT')).toBe(before)
  trainer.dispose()
})

it('a second SIGINT is left to others, and the given signal counts too', () => {
  const before = process.listenerCount('SIGINT')
  const controller = new AbortController()
  const interrupt = listenForInterrupt(controller.signal)
  expect(process.listenerCount('SIGINT')).toBe(before + 1)
  process.emit('SIGINT')
  expect(interrupt.signal.aborted).toBe(true)
  expect(process.listenerCount('SIGINT')).toBe(before)
  interrupt.release()

  const other = listenForInterrupt(controller.signal)
  controller.abort()
  expect(other.signal.aborted).toBe(true)
  other.release()
  expect(process.listenerCount('SIGINT')).toBe(before)
})

it('a real SIGINT reaches a run that was started inside a vm with breakOnSigint, as tslab starts cells', async () => {
  const trainer = await tinyTrainer(
    { max_steps: 50 },
    {
      callbacks: [
        { on_step_end: (_, state) => void (state.global_step === 2 && process.kill(process.pid, 'SIGINT')) },
      ],
    },
  )
  Object.assign(globalThis, { startCell: () => trainer.train() })
  const output = await (runInThisContext('startCell()', { breakOnSigint: true }) as ReturnType<
    typeof trainer.train
  >)
  Reflect.deleteProperty(globalThis, 'startCell')
  expect(output.stopped).toBe(true)
  expect(output.global_step).toBeLessThan(50)
  trainer.dispose()
})
