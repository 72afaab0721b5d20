import { afterEach, expect, it, vi } from 'vitest'
import { addon } from '../../src/native/addon'
import { tinyTrainer } from './tiny'

afterEach(() => vi.restoreAllMocks())

it.each([false, true])(
  'full_determinism: %s reaches attention, with the longest sequence',
  async (wanted) => {
    const forward = vi.spyOn(addon(), 'attention_forward')
    const backward = vi.spyOn(addon(), 'attention_backward')
    const trainer = await tinyTrainer({
      full_determinism: wanted,
      max_steps: 1,
      per_device_train_batch_size: 3,
      max_length: 17,
    })
    await trainer.train()
    expect(forward).toHaveBeenCalled()
    expect(backward).toHaveBeenCalled()
    for (const call of forward.mock.calls) expect(call.slice(-1)).toEqual([17])
    for (const call of backward.mock.calls) expect(call.slice(-2)).toEqual([17, wanted])
  },
)
