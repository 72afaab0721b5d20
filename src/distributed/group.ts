import { hostname } from 'node:os'
import { addon } from '../native/addon'
import type { Device } from '../tensor/device'
import { fill } from '../tensor/ops'
import type { Tensor } from '../tensor/tensor'
import type { RankPlace } from './environment'
import { StoreClient } from './store-client'
import { StoreServer } from './store-server'

/**
 * The ranks that work together, as one of them sees it. Words go through rank 0's store, tensors through the engine of the device: MPI
 * between CPUs, NCCL between GPUs. All ranks call the same methods in the same order. When a rank fails, is killed or keeps the others
 * waiting, every rank's next call, and what waits, rejects with one text that names it.
 */
export class ProcessGroup {
  private failure: Error | undefined
  private isOpen = false
  private isClosed = false
  private store!: StoreClient
  private tellFailure!: (error: Error) => void
  private readonly whenFailed: Promise<never> = new Promise((_, reject) => (this.tellFailure = reject))

  private constructor(
    readonly place: RankPlace,
    readonly device: Device,
    private readonly server: StoreServer | undefined,
  ) {
    this.whenFailed.catch(() => undefined)
  }

  /** The engine's library and its version. */
  library = ''

  /**
   * Meets the other ranks. `timeout`: seconds that a rank may keep the others waiting, here and later.
   * @throws Error naming the rank that does not come, or what the engine needs.
   */
  static async open(place: RankPlace, device: Device, timeout: number): Promise<ProcessGroup> {
    const server = place.rank === 0 ? await StoreServer.open(place, timeout * 1000) : undefined
    const group = new ProcessGroup(place, device, server)
    try {
      group.store = await StoreClient.open(place, {
        timeout: timeout * 1000,
        progress: () => (group.isOpen ? addon().group_progress(device.handle) : { begun: 0, done: 0 }),
        onFault: (text) => group.failed(text),
      })
      await group.openEngine()
      return group
    } catch (error) {
      group.store?.fail(messageOf(error))
      group.close()
      throw error
    }
  }

  get rank(): number {
    return this.place.rank
  }

  get size(): number {
    return this.place.world
  }

  get isMain(): boolean {
    return this.place.rank === 0
  }

  /** The values of all ranks in order. `what` names the place in the program, for messages. */
  async gather<T>(what: string, value: T): Promise<T[]> {
    this.check()
    return this.store.gather(what, value)
  }

  /** Runs `work` on rank 0 alone; its result, or its failure, is every rank's. */
  async onMain<T>(what: string, work: () => Promise<T>): Promise<T> {
    if (!this.isMain) return (await this.gather<T | null>(what, null))[0] as T
    const result = await work().catch((error: unknown) => {
      this.fail(error)
      throw error
    })
    await this.gather(what, result)
    return result
  }

  /** x = sum over the ranks of x, float32. Enqueues and returns, as the next two. */
  all_reduce(x: Tensor): void {
    this.check()
    addon().all_reduce(x.handle)
    addon().finish_collective(x.handle)
  }

  /** out = x of each rank in turn. */
  all_gather(x: Tensor, out: Tensor): void {
    this.begin_all_gather(x, out)
    this.finish(out)
  }

  /** out = this rank's part of the sum over the ranks of x, float32. */
  reduce_scatter(x: Tensor, out: Tensor): void {
    this.check()
    addon().reduce_scatter(x.handle, out.handle)
    addon().finish_collective(out.handle)
  }

  /** x = x of rank `root`. */
  broadcast(x: Tensor, root = 0): void {
    this.check()
    addon().broadcast(x.handle, root)
    addon().finish_collective(x.handle)
  }

  /** As all_gather, beside what is enqueued next; `finish(out)` before either is touched. */
  begin_all_gather(x: Tensor, out: Tensor): void {
    this.check()
    addon().all_gather(x.handle, out.handle)
  }

  finish(out: Tensor): void {
    addon().finish_collective(out.handle)
  }

  /** Resolves when every rank has come here, with all that its device was given. */
  async barrier(): Promise<void> {
    this.check()
    addon().barrier(this.device.handle)
    await this.device.synchronize().catch((error: unknown) => {
      throw this.failure ?? error
    })
    this.check()
  }

  /** @throws Error when a rank has failed. */
  check(): void {
    if (this.failure) throw this.failure
    if (this.isClosed) throw new Error('[distributed] the group was left: destroy_process_group was called')
  }

  /** Tells all ranks that this one has failed. */
  fail(error: unknown): void {
    if (!this.failure) this.store.fail(messageOf(error))
  }

  /** Leaves the group. Blocks until the others do, where the engine asks for that. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.store?.leave()
    this.server?.close()
    if (this.isOpen && !this.failure) addon().close_group(this.device.handle)
  }

  private async openEngine(): Promise<void> {
    const { device, place } = this
    const id = place.rank === 0 ? [...addon().group_id(device.handle)] : []
    const ids = await this.gather('the unique id', id)
    await this.checkDevices()
    // The engine may wait for a rank that is gone by now.
    const opened = addon().open_group(device.handle, place.rank, place.world, Uint8Array.from(ids[0]!))
    this.library = await Promise.race([opened, this.whenFailed])
    this.isOpen = true
    // Engines connect at their first collective: a failure to do so belongs here.
    using probe = device.empty([1])
    fill(probe, 1)
    this.all_reduce(probe)
    const sum = await Promise.race([probe.item(), this.whenFailed])
    if (sum !== place.world)
      throw new Error(`[distributed] ${this.library}: a sum of ones over ${place.world} ranks gave ${sum}`)
  }

  /** @throws Error when two ranks would share a GPU, which NCCL cannot. */
  private async checkDevices(): Promise<void> {
    const all = await this.gather('the devices', `${this.device.name} of ${hostname()}`)
    const twin = all.findIndex((name, rank) => all.indexOf(name) < rank)
    if (this.device.isCpu || twin < 0) return
    throw new Error(
      `[distributed] rank ${all.indexOf(all[twin]!)} and rank ${twin} are both on ${all[twin]}; load the model with device_map: 'auto', which takes the GPU of LOCAL_RANK`,
    )
  }

  private failed(text: string): void {
    this.failure = new Error(`[distributed] ${text}`)
    this.tellFailure(this.failure)
    if (this.isOpen) addon().abort_group(this.device.handle, this.failure.message)
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
