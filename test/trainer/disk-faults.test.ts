import type { FileHandle } from 'node:fs/promises'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it, vi } from 'vitest'
import { disk } from '../../src/files/disk'
import type { SFTInit } from '../../src/trainer/options.generated'
import { adapterBytes, figures, stoppable } from './stoppable'

afterEach(() => void vi.restoreAllMocks())

const args: SFTInit = { save_strategy: 'steps', save_steps: 1, max_steps: 2 }

/** From now on the n-th call of the disk fails, once. Tells how many calls there were. */
function failing(n: number, code: string): { calls: number } {
  const count = { calls: 0 }
  const fail = (what: string): void => {
    if (++count.calls === n) throw Object.assign(new Error(`${code}: injected, ${what}`), { code })
  }
  const open = disk.open
  vi.spyOn(disk, 'open').mockImplementation(async (...given) => {
    fail('open')
    const file: FileHandle = await open(...given)
    const { write, sync } = file
    file.write = (async (...data: unknown[]) => {
      fail('write')
      return (write as (...data: unknown[]) => Promise<unknown>).apply(file, data)
    }) as never
    file.sync = async () => {
      fail('sync')
      await sync.call(file)
    }
    return file
  })
  for (const name of ['rename', 'mkdir', 'readdir', 'readFile'] as const) {
    const real = disk[name] as (...given: unknown[]) => Promise<unknown>
    vi.spyOn(disk, name).mockImplementation((async (...given: unknown[]) => {
      fail(name)
      return real(...given)
    }) as never)
  }
  return count
}

async function counting(work: () => Promise<unknown>): Promise<{ calls: number }> {
  const count = failing(0, '')
  await work()
  vi.restoreAllMocks()
  return count
}

it.each(['ENOSPC', 'EIO', 'EROFS'])(
  '%s at calls all over a run: it goes on with the same bits, as does a resumed one',
  async (code) => {
    const whole = await stoppable(args)
    const { calls } = await counting(() => whole.train())
    const want = { log: figures(whole.trainer), adapter: await adapterBytes(whole.trainer) }
    let told = 0
    // Each code begins elsewhere, so that together they meet more of the calls.
    for (let n = code.length; n <= calls; n += 17) {
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
