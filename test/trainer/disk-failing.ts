import type { FileHandle } from 'node:fs/promises'
import { vi } from 'vitest'
import { disk } from '../../src/files/disk'

export interface Faults {
  /** Calls so far. */
  calls: number
  /** What each call was. */
  names: string[]
}

/**
 * From now on the n-th call of the disk fails with `code`, or with `forever` that one and all after it, as of a disk that is full
 * or gone; 0: none. `vi.restoreAllMocks` ends it.
 */
export function failing(n: number, code: string, forever = false): Faults {
  const faults: Faults = { calls: 0, names: [] }
  const meet = (name: string, path = ''): void => {
    faults.calls++
    faults.names.push(name)
    // As Node says it: what is asked of an open file does not name it.
    const message = `${code}: injected, ${name}${path && ` '${path}'`}`
    if (n > 0 && (forever ? faults.calls >= n : faults.calls === n))
      throw Object.assign(new Error(message), { code })
  }
  const open = disk.open
  vi.spyOn(disk, 'open').mockImplementation(async (...given) => {
    meet('open', String(given[0]))
    const file: FileHandle = await open(...given)
    // Nobody cuts the power here: a flush takes most of a save's time.
    file.sync = () => Promise.resolve()
    for (const name of ['read', 'write', 'sync'] as const) {
      const real = file[name].bind(file) as (...data: unknown[]) => Promise<unknown>
      file[name] = (async (...data: unknown[]) => {
        meet(name)
        return real(...data)
      }) as never
    }
    return file
  })
  for (const name of ['link', 'rename', 'mkdir', 'readdir', 'readFile', 'rm', 'stat'] as const) {
    const real = disk[name] as (...given: unknown[]) => Promise<unknown>
    vi.spyOn(disk, name).mockImplementation((async (...given: unknown[]) => {
      meet(name, String(given[0]))
      return real(...given)
    }) as never)
  }
  return faults
}

/** The calls of the disk that `work` makes. */
export async function counting(work: () => Promise<unknown>): Promise<Faults> {
  const faults = failing(0, '')
  await work()
  vi.restoreAllMocks()
  return faults
}
