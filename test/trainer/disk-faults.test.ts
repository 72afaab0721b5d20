import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import type { SFTInit } from '../../src/trainer/options.generated'
import { counting, failing } from './disk-failing'
import { adapterBytes, figures, stoppable } from './stoppable'

afterEach(() => void vi.restoreAllMocks())

const args: SFTInit = { save_strategy: 'steps', save_steps: 1, max_steps: 2 }

it.each(['ENOSPC', 'EIO', 'EROFS'])(
  '%s at calls all over a run: it goes on with the same bits, as does a resumed one',
  async (code) => {
    const whole = await stoppable(args)
    const { calls } = await counting(() => whole.train())
    const want = { log: figures(whole.trainer), adapter: await adapterBytes(whole.trainer) }
    let told = 0
    // Each code begins elsewhere, so that together they meet more of the calls.
    for (let n = code.length; n <= calls; n += 23) {
      const run = await stoppable(args)
      failing(n, code)
      const first = await run.train().then(
        () => undefined,
        (error: unknown) => error as Error,
      )
      vi.restoreAllMocks()
      const { output_dir } = run.trainer.args
      // A new process would find this.
      const found = (await readdir(output_dir).catch(() => [])).filter((name) =>
        name.startsWith('checkpoint-'),
      )
      if (first) told++
      if (found.length > 0) {
        const other = await stoppable({ ...args, output_dir })
        await other.trainer.train({ resume_from_checkpoint: true })
        expect(figures(other.trainer), `${n}: ${first?.message}`).toEqual(want.log)
        expect(await adapterBytes(other.trainer)).toEqual(want.adapter)
      }
      if (first) await run.train()
      expect(figures(run.trainer), `${n}: ${first?.message}`).toEqual(want.log)
      expect(await adapterBytes(run.trainer)).toEqual(want.adapter)
      const left = (await readdir(output_dir)).filter((name) => /\.(tmp|old)$/.test(name))
      expect(left, join(output_dir, String(first))).toEqual([])
    }
    expect(told).toBeGreaterThan(3)
  },
  120_000,
)
