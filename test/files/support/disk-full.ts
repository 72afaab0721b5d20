import { type FileHandle, open } from 'node:fs/promises'
import { onTestFinished, vi } from 'vitest'

/** Until the test ends, every file handle takes `capacity` bytes in all, in short writes, then fails with ENOSPC. */
export async function limitDisk(capacity: number): Promise<void> {
  const probe = await open(__filename, 'r')
  const prototype = Object.getPrototypeOf(probe) as FileHandle
  await probe.close()
  const write = prototype.write
  let left = capacity
  const limited = async function (this: FileHandle, data: Uint8Array, offset: number, length: number) {
    if (left === 0)
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
    const taken = Math.min(length, left, 5)
    left -= taken
    return (write as (...args: unknown[]) => Promise<unknown>).call(this, data, offset, taken)
  }
  const spy = vi.spyOn(prototype, 'write').mockImplementation(limited as never)
  onTestFinished(() => spy.mockRestore())
}
