import { rankPlace } from '../distributed/environment'
import type { ProcessGroup } from '../distributed/group'
import { init_process_group, processGroup } from '../distributed/process-group'
import type { Device } from '../tensor/device'
import type { TrainingArguments } from './arguments'

/**
 * The group that a trainer on `device` belongs to: one that the script has made, or that of the launcher's ranks; undefined where this
 * process is alone.
 */
export async function groupOf(device: Device, args: TrainingArguments): Promise<ProcessGroup | undefined> {
  if (!processGroup() && (rankPlace()?.world ?? 1) === 1) return undefined
  const { ddp_backend: backend, ddp_timeout: timeout } = args
  return init_process_group({ device: device.name, backend, timeout })
}

/** What fails on one rank fails on all: they would wait for it. */
export async function toldToAll<T>(group: ProcessGroup, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    group.fail(error)
    group.check()
    throw error
  }
}
