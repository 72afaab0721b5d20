import { rankPlace } from './environment'
import { init_process_group } from './process-group'

/** accelerate's PartialState: which of the launcher's processes this is. Alone, without a launcher, it is the one and main process. */
export class PartialState {
  readonly process_index: number
  /** Among the processes of this machine. */
  readonly local_process_index: number
  readonly num_processes: number

  /** @throws Error naming the variable of the launcher that is wrong or missing. */
  constructor() {
    const { rank = 0, localRank = 0, world = 1 } = rankPlace() ?? {}
    this.process_index = rank
    this.local_process_index = localRank
    this.num_processes = world
  }

  get is_main_process(): boolean {
    return this.process_index === 0
  }

  get is_local_main_process(): boolean {
    return this.local_process_index === 0
  }

  get is_last_process(): boolean {
    return this.process_index === this.num_processes - 1
  }

  /** Resolves when every process has called it. */
  async wait_for_everyone(): Promise<void> {
    if (this.num_processes > 1) await (await init_process_group()).gather('wait_for_everyone', null)
  }

  /** console.log on the main process alone. */
  print(...values: unknown[]): void {
    if (this.is_main_process) console.log(...values)
  }
}
