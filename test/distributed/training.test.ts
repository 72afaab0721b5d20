import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from '../files/support/temporary'
import { missing } from './ranks'
import { difference, logged, trained, type TrainedRank } from './training'

/** Losses, gradient norms, evaluations and the adapter of two runs. */
function requireEqual(one: TrainedRank, other: TrainedRank, adapter: number): void {
  for (const name of ['loss', 'grad_norm', 'eval_loss', 'mean_token_accuracy', 'entropy', 'learning_rate'])
    expect(difference(logged(one, name), logged(other, name)), name).toBeLessThan(1e-6)
  expect(difference(one.adapter, other.adapter)).toBeLessThan(adapter)
  for (const name of ['num_tokens', 'step', 'epoch'] as const)
    expect(logged(one, name)).toEqual(logged(other, name))
  expect([one.steps, one.epoch, one.tokens]).toEqual([other.steps, other.epoch, other.tokens])
}

const sgd = { optim: 'sgd', learning_rate: 1 } as const
const evaluation = { eval_strategy: 'steps', eval_steps: 3, per_device_eval_batch_size: 2 } as const

/**
 * The sum over ranks rounds otherwise than the sum of one process. AdamW divides a gradient by its own size, which turns the
 * rounding of gradients that cancel to nearly nothing into steps; SGD does not.
 */
const optimizers = [
  ['adamw_torch', 1e-2, 1e-3],
  ['sgd', 1, 1e-6],
] as const

// Seven starts of ranks, each with more processes than there may be cores.
describe.skipIf(missing)(`data parallel training${missing}`, { timeout: 240_000 }, () => {
  it.each(optimizers)(
    '%s, 1, 2 and 4 ranks: the same losses, gradients, evaluations and adapter; rank 0 alone draws',
    async (optim, learning_rate, within) => {
      const runs = new Map<number, TrainedRank[]>()
      for (const n of [1, 2, 4]) {
        const output_dir = await temporaryFolder()
        // 19 rows are 10 batches: the last window of an epoch leaves ranks without one.
        const args = {
          ...evaluation,
          ...{ output_dir, optim, learning_rate, gradient_accumulation_steps: 4 / n, num_train_epochs: 3 },
        }
        runs.set(n, await trained(n, { args }))
      }
      const [alone] = runs.get(1)!
      expect(alone!.steps).toBe(9)
      expect(logged(alone!, 'loss').length).toBe(9)
      for (const [n, ranks] of runs) {
        expect(ranks.length).toBe(n)
        expect(ranks.map(({ drew }) => drew)).toEqual(ranks.map((_, rank) => (rank === 0 ? 1 : 0)))
        for (const rank of ranks) {
          requireEqual(rank, alone!, within)
          // Between the ranks of a run to the bit.
          expect(rank.adapter).toEqual(ranks[0]!.adapter)
          expect(rank.evaluated['eval_loss']).toBe(ranks[0]!.evaluated['eval_loss'])
        }
      }
    },
  )

  it('a run goes on at another number of ranks: 2, 1, 4', async () => {
    const whole = await trained(1, {
      args: { ...sgd, output_dir: await temporaryFolder(), gradient_accumulation_steps: 4, max_steps: 9 },
    })
    const output_dir = await temporaryFolder()
    const part = (n: number, until: number): Promise<TrainedRank[]> =>
      trained(n, {
        args: {
          ...sgd,
          ...{ output_dir, gradient_accumulation_steps: 4 / n, max_steps: 9 },
          ...{ save_strategy: 'steps', save_steps: 3 },
        },
        hook: `({ callback }) => { callback.on_step_end = (_, state, control) => { control.should_training_stop = state.global_step >= ${until} } }`,
        options: until > 3 ? '{ resume_from_checkpoint: true }' : '',
      })
    await part(2, 3)
    await part(1, 6)
    const ranks = await part(4, 9)
    expect((await readdir(output_dir)).filter((name) => name.startsWith('checkpoint')).sort()).toEqual([
      'checkpoint-3',
      'checkpoint-6',
      'checkpoint-9',
    ])
    for (const rank of ranks) {
      expect(difference(logged(rank, 'loss'), logged(whole[0]!, 'loss'))).toBeLessThan(1e-6)
      expect(difference(rank.adapter, whole[0]!.adapter)).toBeLessThan(1e-6)
    }
    expect(await readdir(join(output_dir, 'checkpoint-9'))).toContain('adapter_model.safetensors')
  })
})
