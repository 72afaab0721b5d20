import { cp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { sweepRemains } from '../../src/files/atomic-folder'
import { logger } from '../../src/logging'
import type { TrainRun } from '../../src/trainer/loop'
import type { SFTInit } from '../../src/trainer/options.generated'
import { lastCheckpoint } from '../../src/trainer/resume'
import type { SFTTrainer } from '../../src/trainer/sft-trainer'
import { counting, failing } from './disk-failing'
import { adapterBytes, dropping, figures } from './stoppable'
import { texts, tinyTrainer } from './tiny'

const warnings: string[] = []
const listen = (): void => {
  warnings.length = 0
  vi.spyOn(logger, 'warning').mockImplementation((text) => void warnings.push(text))
}
beforeEach(listen)
afterEach(() => void vi.restoreAllMocks())

const saving: SFTInit = { max_steps: 2, save_strategy: 'steps', save_steps: 1 }

const trainerOf = (args: SFTInit): Promise<SFTTrainer> =>
  tinyTrainer({ ...saving, ...args }, { train_dataset: texts(4), peft_config: dropping() })

const weights = (folder: string): Promise<Buffer> => readFile(join(folder, 'adapter_model.safetensors'))

/** A run with checkpoint-1 and checkpoint-2, of which the second can be saved again. */
async function saved(args: SFTInit): Promise<{ run: TrainRun; kept: string[]; bytes: Buffer[] }> {
  const trainer = await trainerOf(args)
  await trainer.train()
  const run = (trainer as unknown as { runs: { current: TrainRun } }).runs.current
  const { output_dir } = trainer.args
  const kept = [1, 2].map((step) => join(output_dir, `checkpoint-${step}`))
  return { run, kept, bytes: await Promise.all(kept.map(weights)) }
}

const every = [
  { what: 'a new checkpoint, after which the oldest is removed', there: false, limit: 1, forever: false },
  { what: 'a checkpoint in place of an older one', there: true, limit: null, forever: false },
  { what: 'a new checkpoint on a disk that stays broken', there: false, limit: 1, forever: true },
]

it.each(every)(
  '$what: every n-th call of the disk fails',
  { timeout: 180_000 },
  async ({ there, limit, forever }) => {
    const { run, kept, bytes } = await saved({})
    const { output_dir } = run.args
    const aside = join(output_dir, 'aside')
    await cp(kept[0]!, join(aside, 'checkpoint-1'), { recursive: true })
    Object.assign(run.args, { save_total_limit: limit })
    const reset = async (): Promise<void> => {
      await cp(join(aside, 'checkpoint-1'), kept[0]!, { recursive: true })
      if (!there) await rm(kept[1]!, { recursive: true, force: true })
    }
    await reset()
    const { calls, names } = await counting(() => run.save(run))
    for (const name of ['open', 'write', 'sync', 'rename']) expect(names).toContain(name)
    let failed = 0
    for (let n = 1; n <= calls; n++) {
      await reset()
      failing(n, n % 2 ? 'EIO' : 'ENOSPC', forever)
      const fault = await run.save(run).then(
        () => undefined,
        (error: unknown) => error as Error,
      )
      vi.restoreAllMocks()
      if (fault) {
        failed++
        expect(fault.message).toContain(output_dir)
      }
      // As the next process finds it.
      await sweepRemains(output_dir, true)
      const { folder, state } = await lastCheckpoint(output_dir, run.identity.settings)
      expect(folder).toBe(kept[state.global_step - 1])
      if (!fault || there) expect(state.global_step, `${n} ${names[n - 1]}`).toBe(2)
      expect((await weights(folder)).equals(bytes[state.global_step - 1]!)).toBe(true)
      expect((await readdir(output_dir)).filter((name) => name.startsWith('.'))).toEqual([])
      if (n % 10) continue
      // The run goes on: the next save is whole.
      await counting(() => run.save(run))
      expect((await lastCheckpoint(output_dir, run.identity.settings)).state.global_step).toBe(2)
    }
    expect(failed).toBeGreaterThan(calls / 2)
  },
)

it('resuming: every n-th call of the disk fails', { timeout: 180_000 }, async () => {
  const whole = await trainerOf({ max_steps: 3 })
  await whole.train()
  const want = { log: figures(whole), adapter: await adapterBytes(whole) }
  const { output_dir } = whole.args
  await rm(join(output_dir, 'checkpoint-3'), { recursive: true })
  const resumed = (): Promise<SFTTrainer> => trainerOf({ max_steps: 3, save_strategy: 'no', output_dir })
  const resume_from_checkpoint = true
  const first = await resumed()
  const { calls, names } = await counting(() => first.train({ resume_from_checkpoint }))
  let [refused, passed] = [0, 0]
  for (let n = 1; n <= calls; n++) {
    const trainer = await resumed()
    listen()
    failing(n, 'EIO')
    const fault = await trainer.train({ resume_from_checkpoint }).then(
      () => undefined,
      (error: unknown) => error as Error,
    )
    vi.restoreAllMocks()
    if (fault) {
      refused++
      expect(fault.message).toContain(output_dir)
      await trainer.train({ resume_from_checkpoint })
    } else if (warnings.some((text) => text.includes('passes over'))) passed++
    expect(figures(trainer), `${n} ${names[n - 1]}`).toEqual(want.log)
    expect((await adapterBytes(trainer)).equals(want.adapter)).toBe(true)
    trainer.dispose()
  }
  expect([refused > 0, passed > 0]).toEqual([true, true])
})
